/** `windlass pull`: an image of Windlass comes from a registry into the store, the same to the last byte. */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { ImageError } from "../errors.ts";
import { quoted } from "../foreign-text.ts";
import { withIoError } from "../runtimes/io-error.ts";
import type { Image } from "../store/image.ts";
import { imageName } from "../store/image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { checkedConfig } from "./image-config-check.ts";
import type { TransferredPart } from "./image-push.ts";
import { cachedBlobPath, downloadBlobs, type TransferProgress } from "./layout-pull.ts";
import { type Descriptor, fetchManifest } from "./manifest.ts";
import { unpackLayer } from "./packed-part.ts";
import { type RegistryReference, referenceText } from "./reference.ts";
import { RegistryClient, type RegistryOptions } from "./registry-client.ts";
import { registryError } from "./registry-error.ts";
import { artifactParts, type ImagePart, layerOf, WINDLASS_CONFIG } from "./windlass-artifact.ts";

export interface ImagePull extends RegistryOptions {
  readonly store: ImageStore;
  readonly reference: RegistryReference;
  /** Of the image in the store; default: the repository's, with its tag. */
  readonly name?: string | undefined;
  /** Folders.cache */
  readonly cacheFolder: string;
  /** Told when a part is in the store. */
  readonly onPart?: ((part: TransferredPart) => void) | undefined;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

export interface PulledImage {
  readonly image: Image;
  /** Of the manifest: "sha256:HEX". */
  readonly digest: string;
  readonly fetchedBytes: number;
}

/** A larger blob is no configuration (image-store.ts has the same limit). */
const CONFIG_BYTES_MAX = 1024 * 1024;

/** @throws {ImageError} WL_IMAGE_REGISTRY, WL_IMAGE_STORE, WL_IMAGE_IO; or the signal's reason */
export async function pullImage(pull: ImagePull): Promise<PulledImage> {
  const { store, reference, signal } = pull;
  const name = imageName(pull.name ?? localName(reference)); // Refused now, not after the work.
  await using _lock = await store.lock({ shared: true, ...(signal && { signal }) });
  using client = new RegistryClient(
    reference.host,
    `repository:${reference.repository}:pull`,
    pull,
  );
  const { manifest, descriptor } = await fetchManifest(client, reference);
  refuseOther(manifest.config, referenceText(reference));
  const { bytes, ...ofConfig } = await fetchConfig(pull, client, manifest.config);
  let { fetchedBytes } = ofConfig;
  const config = checkedConfig(bytes, referenceText(reference));
  for (const part of artifactParts(config)) {
    fetchedBytes += await pullPart(pull, client, part, manifest.layers);
  }
  const image = await store.add(config, name);
  if (`sha256:${image.id}` !== manifest.config.digest) {
    throw new Error(`image ${image.id} was stored for configuration ${manifest.config.digest}`);
  }
  return { image, digest: descriptor.digest, fetchedBytes };
}

/** "team/shop:1", without the host; a digest's begin where there is no tag. */
function localName({ repository, tag, digest }: RegistryReference): string {
  return `${repository.replaceAll("__", "_")}:${tag ?? digest?.slice(7, 19) ?? "latest"}`;
}

function refuseOther({ mediaType, size }: Descriptor, text: string): void {
  if (mediaType !== WINDLASS_CONFIG) {
    throw registryError(
      `"${text}" is no image of Windlass: its configuration is of the media type ${quoted(mediaType)}`,
      `If it is a container image, use "windlass build --from ${text}"`,
    );
  }
  if (size <= CONFIG_BYTES_MAX) return;
  throw registryError(
    `Cannot use "${text}": its configuration says it has ${size} bytes`,
    "Check the name and the tag",
  );
}

interface FetchedConfig {
  readonly bytes: Buffer;
  readonly fetchedBytes: number;
}

/** What the cache has of the right size may be of other content: then it comes from the registry after all. */
async function fetchConfig(
  pull: ImagePull,
  client: RegistryClient,
  blob: Descriptor,
): Promise<FetchedConfig> {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const fetchedBytes = await downloadBlobs(client, pull, [blob]);
    const path = cachedBlobPath(pull.cacheFolder, blob.digest);
    const bytes = await withIoError("read", path, readFile(path));
    await withIoError("write", path, rm(path, { force: true }));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (digest === blob.digest) return { bytes, fetchedBytes };
  }
  throw registryError(
    `Cannot use "${referenceText(pull.reference)}": its configuration is not what its digest says`,
    "Try again; if it stays so, check the disk of the cache folder",
  );
}

/** @returns the bytes that were fetched */
async function pullPart(
  pull: ImagePull,
  client: RegistryClient,
  part: ImagePart,
  layers: readonly Descriptor[],
): Promise<number> {
  const { store, cacheFolder, reference, signal, onPart } = pull;
  const { name } = part;
  if (await store.blobs.has(part)) {
    onPart?.({ name, sizeBytes: part.sizeBytes, how: "present" });
    return 0;
  }
  const found = layerOf(part, layers);
  if (!found) {
    const message = `Cannot use "${referenceText(reference)}": it has no layer for the ${name}`;
    throw registryError(message, "Push the image again");
  }
  const { layer, isCompressed } = found;
  const fetchedBytes = await downloadBlobs(client, pull, [layer]);
  const path = cachedBlobPath(cacheFolder, layer.digest);
  try {
    await store.blobs.write(async (target) => {
      const source = { path, isCompressed, maxBytes: part.sizeBytes };
      const unpacked = await unpackLayer(source, target, signal).catch((cause) => {
        signal?.throwIfAborted();
        throw cause instanceof ImageError ? cause : wrongPart(pull, part, cause);
      });
      if (unpacked.digest === part.digest) return unpacked;
      throw wrongPart(pull, part, undefined);
    });
  } finally {
    await rm(path, { force: true });
  }
  onPart?.({ name, sizeBytes: layer.size, how: "fetched" });
  return fetchedBytes;
}

function wrongPart({ reference }: ImagePull, { name }: ImagePart, cause: unknown): ImageError {
  return registryError(
    `Cannot use "${referenceText(reference)}": its ${name} is not what its configuration says`,
    "Push the image again",
    cause,
  );
}
