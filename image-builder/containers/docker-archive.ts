/** Archives of `docker save`: a tar file with `manifest.json`, configurations and layers. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { constants, type FileHandle, open } from "node:fs/promises";
import { posix } from "node:path";
import { ImageError } from "../errors.ts";
import { quoted, shown } from "../foreign-text.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { containerError } from "./container-error.ts";
import { type ContainerImage, containerImage, type LayerBlob } from "./container-image.ts";
import { DOCUMENT_BYTES_MAX, Document, parseJson } from "./document.ts";
import type { Digest } from "./layer-stream.ts";
import { readTar, type TarMember } from "./tar-reader.ts";

/** A member of the archive: where its content is, or what it is a link to. */
interface Place {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly target?: string | undefined;
}

const MEMBERS_MAX = 100_000;
const LINKS_FOLLOWED_MAX = 10;
const PIECE_BYTES = 1024 * 1024;
const HOW_TO_MAKE_ONE =
  'Make one with "docker save -o FILE IMAGE" or "skopeo copy docker://IMAGE docker-archive:FILE"';
const LIST_LENGTH_MAX = 1000;

/**
 * @param reference one of the image's tags ("nginx:1.27"); absent: the only image there is
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID, WL_IMAGE_IO
 */
export async function readDockerArchive(file: string, reference?: string): Promise<ContainerImage> {
  // Not to wait for a writer where it is a pipe: an archive is read more than once.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const handle = await withIoError("read", file, open(file, flags));
  try {
    const places = await indexArchive(handle, file);
    const manifest = await memberBytes(handle, placeOf(places, "manifest.json", file), file);
    const list = parseJson("manifest.json", manifest);
    if (!Array.isArray(list)) throw containerError('"manifest.json" is no list');
    const images = list.map((item) => new Document("manifest.json", item));
    const image = chosen(images, file, reference);
    const configPlace = placeOf(places, image.requiredText("Config"), file);
    const config = await memberBytes(handle, configPlace, file);
    const blobs = image.texts("Layers").map((name): LayerBlob => {
      const { offsetBytes, sizeBytes } = placeOf(places, name, file);
      const range = { start: offsetBytes, end: offsetBytes + sizeBytes - 1 };
      const read = () => createReadStream(file, { ...range, highWaterMark: PIECE_BYTES });
      const none = async function* () {};
      return { sizeBytes, compression: "detect", open: () => (sizeBytes > 0 ? read() : none()) };
    });
    const id: Digest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
    return containerImage({ id, name: image.texts("RepoTags")[0] }, config, blobs);
  } finally {
    await handle.close();
  }
}

async function indexArchive(handle: FileHandle, file: string): Promise<Map<string, Place>> {
  const facts = await withIoError("read", file, handle.stat());
  if (!facts.isFile())
    throw containerError(`${quoted(file)} is no file`, { next: "Save the image into a file" });
  const magic = Buffer.alloc(2);
  await withIoError("read", file, handle.read(magic, 0, 2, 0));
  if (magic.readUInt16BE(0) === 0x1f8b) {
    throw containerError(`${quoted(file)} is packed`, { next: `Unpack it first: gunzip ${file}` });
  }
  const places = new Map<string, Place>();
  for await (const member of archiveMembers(file)) {
    const { name, kind, positionBytes, sizeBytes, linkName } = member;
    if (places.size >= MEMBERS_MAX) throw containerError(`${quoted(file)} has too many members`);
    const path = posix.normalize(name).replace(/\/$/, "");
    const isLink = kind === "symlink" || kind === "link";
    const folder = kind === "symlink" ? posix.dirname(path) : ".";
    const target = isLink ? posix.join(folder, linkName) : undefined;
    if (isLink || kind === "file")
      places.set(path, { offsetBytes: positionBytes, sizeBytes, target });
  }
  return places;
}

/** What the reader of tar archives says of a layer, said of the file. */
async function* archiveMembers(file: string): AsyncGenerator<TarMember> {
  let isArchive = false;
  try {
    for await (const member of readTar(createReadStream(file, { highWaterMark: PIECE_BYTES }))) {
      isArchive = true;
      yield member;
    }
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    // Of what is no archive, the reader's words about headers say nothing.
    const why = isArchive
      ? `is a damaged tar archive: ${cause.message}`
      : "is no tar archive, or damaged from its begin";
    throw containerError(`${quoted(file)} ${why}`, {
      ...{ next: HOW_TO_MAKE_ONE, file, cause },
    });
  }
}

function placeOf(places: ReadonlyMap<string, Place>, name: string, file: string): Place {
  let here = posix.normalize(name);
  for (let followed = 0; followed < LINKS_FOLLOWED_MAX; followed += 1) {
    const place = places.get(here);
    if (!place) break;
    if (place.target === undefined) return place;
    here = place.target;
  }
  throw containerError(`${quoted(name)} is not in ${quoted(file)}`, {
    next: HOW_TO_MAKE_ONE,
  });
}

async function memberBytes(handle: FileHandle, place: Place, file: string): Promise<Buffer> {
  const { offsetBytes, sizeBytes } = place;
  if (sizeBytes > DOCUMENT_BYTES_MAX) {
    throw containerError(`A document in ${quoted(file)} has ${sizeBytes} bytes`);
  }
  const bytes = Buffer.alloc(sizeBytes);
  const work = handle.read(bytes, 0, sizeBytes, offsetBytes);
  const { bytesRead } = await withIoError("read", file, work);
  return bytes.subarray(0, bytesRead);
}

function chosen(images: readonly Document[], file: string, reference?: string): Document {
  const fitting = images.filter(
    (image) => reference === undefined || image.texts("RepoTags").includes(reference),
  );
  const [first] = fitting;
  if (first && fitting.length === 1) return first;
  const known = images.flatMap((image) => image.texts("RepoTags")).join(", ");
  const what = first ? "several images" : `no image ${quoted(reference ?? "")}`;
  throw containerError(`${quoted(file)} has ${images.length === 0 ? "no image" : what}`, {
    next:
      known === ""
        ? "Save an image into it"
        : `Name one behind a colon: ${shown(known, LIST_LENGTH_MAX)}`,
  });
}
