/** `windlass push`: an image of the store goes to a registry. What is there already is not sent again. */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Image } from "../store/image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { pathBeside, removeDeadRemains, replaceFile } from "../store/replace-file.ts";
import { hasBlob, mountBlob, uploadBlob } from "./blob-upload.ts";
import { dropReply } from "./http-exchange.ts";
import { type Descriptor, manifestDigest, OCI_MANIFEST } from "./manifest.ts";
import { type PackedPart, packedFolder, packPart, rememberedPack } from "./packed-part.ts";
import { manifestName, type RegistryReference } from "./reference.ts";
import { RegistryClient, type RegistryOptions } from "./registry-client.ts";
import { registryError } from "./registry-error.ts";
import {
  artifactParts,
  GZIP_SUFFIX,
  type ImagePart,
  WINDLASS_CONFIG,
} from "./windlass-artifact.ts";

export interface ImagePush extends RegistryOptions {
  readonly store: ImageStore;
  readonly image: Image;
  /** With a tag, without a digest. */
  readonly reference: RegistryReference;
  /** Folders.cache */
  readonly cacheFolder: string;
  /** Told when a part is in the registry. */
  readonly onPart?: ((part: TransferredPart) => void) | undefined;
}

export interface TransferredPart {
  /** "base" */
  readonly name: string;
  /** As it is in the registry. */
  readonly sizeBytes: number;
  /** present: it was there; mounted: taken over from another repository. */
  readonly how: "sent" | "present" | "mounted" | "fetched";
}

export interface PushedImage {
  /** Of the manifest: "sha256:HEX". */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly sentBytes: number;
}

/** @throws {ImageError} WL_IMAGE_REGISTRY, WL_IMAGE_STORE, WL_IMAGE_IO; or the signal's reason */
export async function pushImage(push: ImagePush): Promise<PushedImage> {
  const { store, image, reference, signal, onPart } = push;
  if (reference.digest !== undefined) {
    throw registryError("An image cannot be pushed to a digest", "Write HOST/NAME:TAG");
  }
  await using _lock = await store.lock({ shared: true, ...(signal && { signal }) });
  await removeDeadRemains(packedFolder(push.cacheFolder));
  const config = await store.blobs.read({ digest: image.id });
  using client = new RegistryClient(
    reference.host,
    `repository:${reference.repository}:pull,push`,
    push,
  );
  const layers: Descriptor[] = [];
  let sentBytes = 0;
  for (const part of artifactParts(image.config)) {
    const { layer, how } = await pushPart(push, client, part);
    layers.push(layer);
    if (how === "sent") sentBytes += layer.size;
    onPart?.({ name: part.name, sizeBytes: layer.size, how });
  }
  const own = { mediaType: WINDLASS_CONFIG, digest: `sha256:${image.id}`, size: config.length };
  if (!(await hasBlob(client, reference.repository, own))) {
    const { repository } = reference;
    await uploadBlob({ client, repository, blob: own, source: config, signal });
    sentBytes += own.size;
  }
  const digest = await pushManifest(client, reference, own, layers);
  const sizeBytes = layers.reduce((sum, { size }) => sum + size, own.size);
  return { digest, sizeBytes, sentBytes };
}

async function pushPart(
  push: ImagePush,
  client: RegistryClient,
  part: ImagePart,
): Promise<{ readonly layer: Descriptor; readonly how: TransferredPart["how"] }> {
  const { store, cacheFolder, reference, signal } = push;
  const known = await rememberedPack(cacheFolder, part);
  if (known) {
    const layer = layerFor(part, known);
    const how = await presence(push, client, layer);
    if (how) return { layer, how };
  }
  const path = store.blobs.path(part.digest);
  const target = pathBeside(join(packedFolder(cacheFolder), "part"));
  try {
    const packed = await packPart(cacheFolder, { part, path, target, signal });
    const layer = layerFor(part, packed);
    const how = await presence(push, client, layer);
    if (how) return { layer, how };
    const source = packed.isCompressed ? target : path;
    const { repository } = reference;
    await uploadBlob({ client, repository, blob: layer, source, signal });
    await rememberPlace(push, layer);
    return { layer, how: "sent" };
  } finally {
    await rm(target, { force: true });
  }
}

function layerFor({ mediaType }: ImagePart, packed: PackedPart): Descriptor {
  const suffix = packed.isCompressed ? GZIP_SUFFIX : "";
  return {
    mediaType: `${mediaType}${suffix}`,
    digest: `sha256:${packed.digest}`,
    size: packed.size,
  };
}

/** Whether the repository has a layer, or can have it from where we pushed it before. */
async function presence(
  push: ImagePush,
  client: RegistryClient,
  layer: Descriptor,
): Promise<"present" | "mounted" | undefined> {
  const { repository } = push.reference;
  if (await hasBlob(client, repository, layer)) return "present";
  const from = await readFile(placePath(push, layer), "utf8").catch(() => "");
  if (from === "" || from === repository || !/^[a-z0-9._/-]+$/.test(from)) return undefined;
  client.widenScope(`repository:${from}:pull`);
  return (await mountBlob({ client, repository, blob: layer }, from)) ? "mounted" : undefined;
}

async function rememberPlace(push: ImagePush, layer: Descriptor): Promise<void> {
  await replaceFile(placePath(push, layer), push.reference.repository);
}

/** Which repository of a host has a blob. */
function placePath({ cacheFolder, reference }: ImagePush, { digest }: Descriptor): string {
  const name = createHash("sha256").update(`${reference.host} ${digest}`).digest("hex");
  return join(cacheFolder, "registry/places", name);
}

async function pushManifest(
  client: RegistryClient,
  reference: RegistryReference,
  config: Descriptor,
  layers: readonly Descriptor[],
): Promise<string> {
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if ((await manifestDigest(client, reference)) === digest) return digest;
  const target = `${reference.repository}/manifests/${manifestName(reference)}`;
  const reply = await client.request({
    ...{ method: "PUT", target, what: "upload the manifest", expected: [201] },
    headers: { "content-type": OCI_MANIFEST },
    body: { sizeBytes: bytes.length, open: () => bytes },
  });
  dropReply(reply);
  return digest;
}
