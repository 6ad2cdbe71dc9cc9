/**
 * What a jar says of itself: its manifest, and the names in it. A jar is a zip file (PKWARE APPNOTE
 * 6.3.3); only its central directory and one entry are read, both bounded.
 *
 *   end of central directory (22 bytes)      central entry (46 bytes)         local entry (30 bytes)
 *   0  4 magic 50 4b 05 06                   0  4 magic 50 4b 01 02           0  4 magic 50 4b 03 04
 *   10 2 number of entries                   10 2 method (0, 8 = deflate)     26 2 length of the name
 *   12 4 bytes of the directory              20 4 bytes compressed            28 2 length of the rest
 *   16 4 offset of the directory             24 4 bytes uncompressed
 *                                            28 2 name, 30 2 extra, 32 2 comment: lengths
 *                                            42 4 offset of the local entry
 */
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { ImageError } from "../errors.ts";
import { type ByteSource, withFileSource } from "./byte-source.ts";

export interface Jar {
  /** Of the manifest's main section, by name in lower case: "main-class", "class-path". */
  readonly attributes: ReadonlyMap<string, string>;
  /** Has jars in it, as Spring Boot's have: tools that read class files do not see those. */
  readonly hasJars: boolean;
}

const END_BYTES = 22;
/** A zip's comment has at most 65,535 bytes. */
const END_SEARCH_BYTES = END_BYTES + 65_535;
/** 65,535 entries (more need zip64, which no jar tool writes before that) of some 100 bytes. */
const DIRECTORY_MAX_BYTES = 64 << 20;
const MANIFEST_MAX_BYTES = 1 << 20;
const MANIFEST_NAME = "META-INF/MANIFEST.MF";

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID when it is no jar, or a damaged one */
export async function readJar(path: string, options: { signal?: AbortSignal } = {}): Promise<Jar> {
  return await withFileSource(
    path,
    async (source) => {
      const directory = await centralDirectory(source, path);
      let manifest: Buffer | undefined;
      let hasJars = false;
      for (let at = 0; at + 46 <= directory.length; ) {
        if (directory.readUInt32LE(at) !== 0x02014b50) throw damaged(path);
        const lengths = [28, 30, 32].map((offset) => directory.readUInt16LE(at + offset));
        const [nameBytes = 0, extraBytes = 0, commentBytes = 0] = lengths;
        const name = directory.toString("utf8", at + 46, at + 46 + nameBytes);
        if (name.endsWith(".jar")) hasJars = true;
        if (name === MANIFEST_NAME) manifest ??= await content(source, directory, at, path);
        at += 46 + nameBytes + extraBytes + commentBytes;
      }
      return { attributes: mainAttributes(manifest?.toString() ?? ""), hasJars };
    },
    options,
  );
}

async function centralDirectory(source: ByteSource, path: string): Promise<Buffer> {
  const tailBytes = Math.min(source.sizeBytes, END_SEARCH_BYTES);
  const tail = Buffer.from(await source.read(source.sizeBytes - tailBytes, tailBytes));
  const end = tail.lastIndexOf("PK\x05\x06", undefined, "latin1");
  if (end < 0 || end + END_BYTES > tail.length) throw damaged(path);
  const sizeBytes = tail.readUInt32LE(end + 12);
  const offset = tail.readUInt32LE(end + 16);
  const isInside = offset + sizeBytes <= source.sizeBytes;
  if (!isInside || sizeBytes > DIRECTORY_MAX_BYTES) throw damaged(path);
  return Buffer.from(await source.read(offset, sizeBytes));
}

async function content(
  source: ByteSource,
  directory: Buffer,
  at: number,
  path: string,
): Promise<Buffer> {
  const method = directory.readUInt16LE(at + 10);
  const sizeBytes = directory.readUInt32LE(at + 20);
  const local = directory.readUInt32LE(at + 42);
  if (local + 30 > source.sizeBytes) throw damaged(path);
  const head = Buffer.from(await source.read(local, 30));
  const start = local + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  const isInside = start + sizeBytes <= source.sizeBytes && sizeBytes <= MANIFEST_MAX_BYTES;
  if (!isInside || (method !== 0 && method !== 8)) throw damaged(path);
  const bytes = Buffer.from(await source.read(start, sizeBytes));
  if (method === 0) return bytes;
  try {
    return await promisify(inflateRaw)(bytes, { maxOutputLength: MANIFEST_MAX_BYTES });
  } catch {
    throw damaged(path);
  }
}

/** The JAR File Specification, "Name-Value pairs and Sections": a line that begins with a space goes on. */
export function mainAttributes(text: string): Map<string, string> {
  const lines = text
    .replaceAll(/\r\n?|\n/g, "\n")
    .replaceAll("\n ", "")
    .split("\n");
  const end = lines.indexOf("");
  const main = end < 0 ? lines : lines.slice(0, end);
  return new Map(
    main.flatMap((line): [string, string][] => {
      const colon = line.indexOf(": ");
      return colon < 1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 2).trim()]];
    }),
  );
}

function damaged(path: string): ImageError {
  return new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `Cannot use ${JSON.stringify(path)}: it is no jar, or a damaged one`,
    { file: path, next: "Build it again" },
  );
}
