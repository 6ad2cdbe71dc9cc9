/**
 * OCI image layouts (OCI image specification, "Image Layout"): a folder with `oci-layout`, `index.json` and
 * `blobs/ALGORITHM/HEX`. Docker's own media types are read as well.
 */
import { createReadStream } from "node:fs";
import { constants, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { quoted, shown } from "../foreign-text.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { containerError } from "./container-error.ts";
import { type ContainerImage, containerImage, type LayerBlob } from "./container-image.ts";
import { DOCUMENT_BYTES_MAX, Document } from "./document.ts";
import { type Compression, checkDigest, type Digest, digestHash } from "./layer-stream.ts";

const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
const CONFIG_TYPES = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];
const LAYER_TYPES: Readonly<Record<string, Compression>> = {
  "application/vnd.oci.image.layer.v1.tar": "none",
  "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
  "application/vnd.oci.image.layer.nondistributable.v1.tar": "none",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
  "application/vnd.docker.image.rootfs.diff.tar": "none",
  "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
};
const NAME_ANNOTATION = "org.opencontainers.image.ref.name";
const FULL_NAME_ANNOTATION = "io.containerd.image.name";
const LIST_LENGTH_MAX = 1000;
/** An index may name an index. */
const INDEX_DEPTH_MAX = 4;

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly names: readonly string[];
  readonly platform?: Document | undefined;
}

/**
 * @param reference a name or a digest; absent: the only image there is
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID, WL_IMAGE_IO
 */
export async function readOciLayout(folder: string, reference?: string): Promise<ContainerImage> {
  const layout = Document.parse("oci-layout", await smallFile(folder, "oci-layout"));
  const version = layout.requiredText("imageLayoutVersion");
  if (!version.startsWith("1.")) {
    throw containerError(`The layout in ${quoted(folder)} is of version ${quoted(version)}, not 1`);
  }
  const index = Document.parse("index.json", await smallFile(folder, "index.json"));
  const start = chosen(index.documents("manifests").map(descriptorOf), folder, reference);
  const manifest = await findManifest(folder, start);
  const document = Document.parse("The manifest", await readDocument(folder, manifest));
  const config = descriptorOf(document.document("config") ?? new Document("config", {}));
  if (!CONFIG_TYPES.includes(config.mediaType)) throw unknownType("configuration", config);
  const blobs = document.documents("layers").map((item): LayerBlob => {
    const { mediaType, digest, sizeBytes } = descriptorOf(item);
    const compression = Object.hasOwn(LAYER_TYPES, mediaType) ? LAYER_TYPES[mediaType] : undefined;
    if (!compression) throw unknownType("layer", { mediaType });
    const open = (): AsyncIterable<Uint8Array> => readBlob(blobPath(folder, digest));
    return { digest, sizeBytes, compression, open };
  });
  for (const item of document.documents("layers")) await checkSize(folder, descriptorOf(item));
  const [name] = start.names.filter((one) => /[a-z]/i.test(one));
  return containerImage({ id: config.digest, name }, await readDocument(folder, config), blobs);
}

function descriptorOf(document: Document): Descriptor {
  const annotations = document.document("annotations");
  const names = [FULL_NAME_ANNOTATION, NAME_ANNOTATION].map((key) => annotations?.text(key));
  return {
    mediaType: document.requiredText("mediaType"),
    digest: document.digest("digest"),
    sizeBytes: document.requiredSize("size"),
    names: names.filter((name) => name !== undefined),
    platform: document.document("platform"),
  };
}

function chosen(all: readonly Descriptor[], folder: string, reference?: string): Descriptor {
  const fitting = all.filter(
    ({ names, digest }) =>
      reference === undefined || names.includes(reference) || digest === reference,
  );
  const usable = fitting.length > 1 ? fitting.filter(isOurPlatform) : fitting;
  const [first] = usable;
  const isClear = new Set(usable.map(({ digest }) => digest).values()).size === 1;
  if (first && isClear) return first;
  const known = all.flatMap(({ names, digest }) => names.at(-1) ?? digest).join(", ");
  const what = reference === undefined ? "several images" : `no image ${quoted(reference)}`;
  throw containerError(
    `${quoted(folder)} has ${all.length === 0 ? "no image" : first ? "several images that fit" : what}`,
    {
      next:
        known === ""
          ? "Copy an image into it"
          : `Name one of these behind a colon: ${shown(known, LIST_LENGTH_MAX)}`,
    },
  );
}

/** Down through indexes to the manifest for this machine. */
async function findManifest(folder: string, start: Descriptor): Promise<Descriptor> {
  let here = start;
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth += 1) {
    if (MANIFEST_TYPES.includes(here.mediaType)) return here;
    if (!INDEX_TYPES.includes(here.mediaType)) throw unknownType("manifest", here);
    const index = Document.parse("The image's index", await readDocument(folder, here));
    const all = index.documents("manifests").map(descriptorOf);
    const next = all.find(isOurPlatform);
    if (!next) {
      const platforms = all.map(({ platform }) => platformText(platform)).join(", ");
      throw containerError(
        `The image is for ${shown(platforms) || "nothing"}, not for linux/amd64`,
        {
          next: "Choose an image for linux/amd64",
        },
      );
    }
    here = next;
  }
  throw containerError(`More than ${INDEX_DEPTH_MAX} indexes lie above the image's manifest`);
}

/** One that says nothing may be for any. */
function isOurPlatform({ platform }: Descriptor): boolean {
  return !platform || platformText(platform) === "linux/amd64";
}

function platformText(platform: Document | undefined): string {
  return platform ? `${platform.text("os") ?? ""}/${platform.text("architecture") ?? ""}` : "any";
}

function unknownType(what: string, { mediaType }: Pick<Descriptor, "mediaType">): Error {
  return containerError(`The image has a ${what} of type ${quoted(mediaType)}, which is unknown`, {
    next: "Use a container image in OCI's format, or in Docker's since version 1.10",
  });
}

function blobPath(folder: string, digest: Digest): string {
  return join(folder, "blobs", ...digest.split(":"));
}

async function* readBlob(path: string): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024 });
  const pieces = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await withIoError("read", path, pieces.next());
      if (done) return;
      yield value;
    }
  } finally {
    stream.destroy();
  }
}

async function checkSize(folder: string, { digest, sizeBytes }: Descriptor): Promise<void> {
  const path = blobPath(folder, digest);
  const facts = await stat(path).catch(() => undefined);
  if (!facts?.isFile()) throw containerError(`The blob ${digest} is not in ${quoted(folder)}`);
  if (facts.size === sizeBytes) return;
  throw containerError(`The blob ${digest} has ${facts.size} bytes, not ${sizeBytes}`);
}

/** An index, manifest or configuration, held to its descriptor. */
async function readDocument(folder: string, descriptor: Descriptor): Promise<Buffer> {
  await checkSize(folder, descriptor);
  const { digest } = descriptor;
  const bytes = await smallFile(folder, join("blobs", ...digest.split(":")));
  checkDigest(digestHash(digest).update(bytes), digest, "A document of the image");
  return bytes;
}

async function smallFile(folder: string, name: string): Promise<Buffer> {
  const path = join(folder, name);
  // Not to wait for a writer where it is a pipe.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((cause) => {
    throw containerError(`There is no ${quoted(name)} in ${quoted(folder)}`, {
      next: "Name a folder in the OCI image layout",
      cause,
    });
  });
  try {
    const facts = await withIoError("read", path, file.stat());
    if (!facts.isFile() || facts.size > DOCUMENT_BYTES_MAX) {
      throw containerError(`${quoted(path)} is no file of at most ${DOCUMENT_BYTES_MAX} bytes`);
    }
    const bytes = Buffer.alloc(facts.size);
    const { bytesRead } = await withIoError("read", path, file.read(bytes, 0, facts.size, 0));
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
