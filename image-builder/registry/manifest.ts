/**
 * Manifests and indexes of registries (OCI image specification 1.1; Docker's schema 2 is the same with other
 * media types). What they say is checked here: sizes, digests, media types.
 */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { quoted, shown } from "../foreign-text.ts";
import { dropReply } from "./http-exchange.ts";
import { manifestName, type RegistryReference, referenceText } from "./reference.ts";
import type { RegistryClient } from "./registry-client.ts";
import { registryError } from "./registry-error.ts";

export interface Descriptor {
  readonly mediaType: string;
  /** "sha256:HEX" */
  readonly digest: string;
  readonly size: number;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** A manifest with the bytes that its digest is of. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly manifest: Manifest;
}

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
const INDEXES = [OCI_INDEX, DOCKER_INDEX];
const MANIFESTS = [OCI_MANIFEST, DOCKER_MANIFEST];

/** The least that a registry must take (OCI distribution specification, "Pushing Manifests"). */
const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
const LAYERS_MAX = 512;
const INDEX_DEPTH_MAX = 3;
/** Of all layers together, compressed: 64 GiB. */
const IMAGE_BYTES_MAX = 64 * 1024 ** 3;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * The manifest that a reference stands for; of an index, that for linux/amd64.
 *
 * @throws {ImageError} WL_IMAGE_REGISTRY
 */
export async function fetchManifest(
  client: RegistryClient,
  reference: RegistryReference,
): Promise<FetchedManifest> {
  const text = referenceText(reference);
  let name = manifestName(reference);
  let announced: number | undefined;
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth += 1) {
    const { bytes, descriptor } = await fetchDocument(client, reference, name);
    if (announced !== undefined && announced !== bytes.length) {
      throw unusable(text, `its manifest has ${bytes.length} bytes in place of ${announced}`);
    }
    const document = parsedObject(bytes, text);
    const mediaType = mediaTypeOf(document, descriptor.mediaType, text);
    if (MANIFESTS.includes(mediaType)) {
      const manifest = checkedManifest(document, text);
      return { descriptor: { ...descriptor, mediaType }, bytes, manifest };
    }
    if (!INDEXES.includes(mediaType)) throw unknownMediaType(text, mediaType);
    const chosen = ourPlatform(document, text);
    name = chosen.digest;
    announced = chosen.size;
  }
  throw unusable(text, "its indexes name one another");
}

async function fetchDocument(
  client: RegistryClient,
  { repository }: RegistryReference,
  name: string,
): Promise<{ readonly bytes: Buffer; readonly descriptor: Descriptor }> {
  const what = `get the manifest of "${repository}" (${shortName(name)})`;
  const reply = await client.request({
    ...{ method: "GET", target: `${repository}/manifests/${name}`, what, expected: [200] },
    headers: { accept: [...MANIFESTS, ...INDEXES].join(", ") },
  });
  const bytes = await client.body(reply, what, MANIFEST_BYTES_MAX);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const said = reply.headers["docker-content-digest"];
  const wanted = DIGEST.test(name) ? name : typeof said === "string" ? said : digest;
  if (wanted.startsWith("sha256:") && wanted !== digest) {
    const message = `Cannot ${what}: its content is not what its digest ${shown(shortName(wanted))} says`;
    throw registryError(message, "Try again, or tell the registry's operator");
  }
  const [mediaType = ""] = (reply.headers["content-type"] ?? "").split(";");
  return { bytes, descriptor: { mediaType: mediaType.trim(), digest, size: bytes.length } };
}

/** Whether the registry has a manifest; its digest when it does. */
export async function manifestDigest(
  client: RegistryClient,
  { repository, ...rest }: RegistryReference,
): Promise<string | undefined> {
  const name = manifestName({ repository, ...rest });
  const reply = await client.request({
    ...{ method: "HEAD", target: `${repository}/manifests/${name}`, expected: [200, 404] },
    what: `look for "${repository}:${shortName(name)}"`,
    headers: { accept: MANIFESTS.join(", ") },
  });
  dropReply(reply);
  const digest = reply.headers["docker-content-digest"];
  return reply.statusCode === 200 && typeof digest === "string" ? digest : undefined;
}

type Document = Readonly<Record<string, unknown>>;

function parsedObject(bytes: Buffer, text: string): Document {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (isUtf8(bytes) && typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Document;
    }
  } catch {
    // Said below.
  }
  throw unusable(text, "its manifest is no JSON object");
}

/** The document's own word, which the header must not contradict. */
function mediaTypeOf(document: Document, header: string, text: string): string {
  const own = document["mediaType"];
  if (own === undefined) return header;
  const isKnown = MANIFESTS.includes(header) || INDEXES.includes(header);
  if (typeof own === "string" && (own === header || !isKnown)) return own;
  throw unusable(
    text,
    `its manifest calls itself ${quoted(String(own))}, the registry ${quoted(header)}`,
  );
}

function checkedManifest(document: Document, text: string): Manifest {
  const { config, layers } = document;
  if (!Array.isArray(layers)) throw unusable(text, "its manifest has no list of layers");
  if (layers.length > LAYERS_MAX) {
    throw unusable(text, `it has ${layers.length} layers, more than ${LAYERS_MAX}`);
  }
  const manifest = {
    config: checkedDescriptor(config, text),
    layers: layers.map((layer) => checkedDescriptor(layer, text)),
  };
  const total = manifest.layers.reduce((sum, { size }) => sum + size, manifest.config.size);
  if (total > IMAGE_BYTES_MAX) throw unusable(text, `it says it has ${total} bytes`);
  return manifest;
}

function checkedDescriptor(value: unknown, text: string): Descriptor {
  const { mediaType, digest, size } = (value ?? {}) as Partial<Record<string, unknown>>;
  const isSound =
    typeof mediaType === "string" &&
    mediaType.length < 256 &&
    typeof digest === "string" &&
    typeof size === "number" &&
    Number.isSafeInteger(size) &&
    size >= 0;
  if (!isSound)
    throw unusable(text, "its manifest names a part without media type, digest or size");
  if (!DIGEST.test(digest)) {
    throw unusable(text, `its manifest names a part by ${quoted(digest)}`);
  }
  return { mediaType, digest, size };
}

function ourPlatform({ manifests }: Document, text: string): Descriptor {
  if (!Array.isArray(manifests)) throw unusable(text, "its index has no list of manifests");
  const platforms = manifests.map((entry) => {
    const { os, architecture } = (entry?.platform ?? {}) as Partial<Record<string, unknown>>;
    return `${String(os)}/${String(architecture)}`;
  });
  const index = platforms.indexOf("linux/amd64");
  if (index >= 0) return checkedDescriptor(manifests[index], text);
  const there = shown([...new Set(platforms)].join(", "));
  throw unusable(text, `it is not for linux/amd64, but for ${there === "" ? "nothing" : there}`);
}

function unknownMediaType(text: string, mediaType: string): Error {
  return unusable(text, `its manifest is of the unknown media type ${quoted(mediaType)}`);
}

function unusable(text: string, why: string): Error {
  return registryError(
    `Cannot use "${text}": ${why}`,
    "Check the name and the tag, or use another",
  );
}

/** A digest's begin, a tag whole. */
function shortName(name: string): string {
  return name.startsWith("sha256:") ? name.slice(0, 19) : name;
}
