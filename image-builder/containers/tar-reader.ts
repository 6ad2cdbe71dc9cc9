/**
 * Reads tar archives as container layers have them: ustar, GNU and pax. A reader of our own, because
 * extended headers of any length must not fill the memory, and because GNU's sparse files have blocks
 * that no other member has; tar-stream knows neither bound nor sparse files.
 */

import { quoted } from "../foreign-text.ts";
import { ByteReader } from "./byte-reader.ts";
import { containerError } from "./container-error.ts";
import {
  decodeExtendedHeader,
  type ExtendedHeader,
  extendedNumber,
  extendedText,
} from "./tar-extended.ts";
import {
  decodeTarHeader,
  decodeText,
  headerLinkName,
  headerName,
  TAR_BLOCK_BYTES,
  type TarHeader,
} from "./tar-header.ts";
import { readExtendedMap, readHeaderMap, type SparseMap } from "./tar-sparse.ts";

export type TarKind = "file" | "directory" | "symlink" | "link" | "device" | "fifo";

export interface TarMember {
  /** As written in the archive. */
  readonly name: string;
  readonly kind: TarKind;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Since 1970; may be negative. */
  readonly modifiedSeconds: number;
  /** Of a file, with its holes. */
  readonly sizeBytes: number;
  /** Of a link; "" otherwise. */
  readonly linkName: string;
  /** Names of extended attributes. */
  readonly attributes: readonly string[];
  /** Where in the archive the content begins. */
  readonly positionBytes: number;
  /** What is not zero, in order; what was not read is skipped when the next member is asked for. */
  content(): AsyncGenerator<{ readonly offsetBytes: number; readonly bytes: Uint8Array }>;
}

/** Of an extended header or a long name. */
const EXTENSION_BYTES_MAX = 1024 * 1024;
const ATTRIBUTE_PREFIX = "SCHILY.xattr.";

const KINDS: Readonly<Record<string, TarKind>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "1": "link",
  "2": "symlink",
  "3": "device",
  "4": "device",
  "5": "directory",
  "6": "fifo",
};

/** What members before a member said about it. */
interface Extensions {
  extended?: ExtendedHeader;
  name?: string;
  linkName?: string;
}

/**
 * The members, in order; ends at two blocks of zeros or at the end of the stream.
 *
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when it is no archive, is cut off or malformed
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarMember> {
  const reader = new ByteReader(source);
  try {
    let before: Extensions = {};
    for (;;) {
      const block = await reader.exactly(TAR_BLOCK_BYTES);
      const header = block && decodeTarHeader(Buffer.from(block));
      if (!header) break;
      if ("xXLK".includes(header.type)) {
        before = { ...before, ...(await readExtension(header, reader)) };
      } else if (header.type === "g" || header.type === "V") {
        await reader.skip(paddedBytes(checkedSize(header.sizeBytes)));
      } else {
        yield* readMember(header, before, reader);
        before = {};
      }
    }
    await reader.drain();
  } finally {
    await reader.close();
  }
}

async function readExtension(header: TarHeader, reader: ByteReader): Promise<Extensions> {
  const { sizeBytes, type } = header;
  if (sizeBytes < 0 || sizeBytes > EXTENSION_BYTES_MAX) {
    throw containerError(`An extended header has ${sizeBytes} bytes, more than is read`);
  }
  const padded = await reader.exactly(paddedBytes(sizeBytes));
  const bytes = Buffer.from(padded?.subarray(0, sizeBytes) ?? []);
  if (bytes.length !== sizeBytes) throw containerError("The archive ends in an extended header");
  if (type === "x" || type === "X") return { extended: decodeExtendedHeader(bytes) };
  const end = bytes.indexOf(0);
  const text = decodeText(end < 0 ? bytes : bytes.subarray(0, end));
  return type === "L" ? { name: text } : { linkName: text };
}

async function* readMember(
  header: TarHeader,
  { extended, name, linkName }: Extensions,
  reader: ByteReader,
): AsyncGenerator<TarMember> {
  const value = (key: string): number | undefined => extended && extendedNumber(extended, key);
  const words = (key: string): string | undefined => extended && extendedText(extended, key);
  const shown = words("GNU.sparse.name") ?? words("path") ?? name ?? headerName(header);
  // V7 had no type for folders.
  const isFolder = (header.type === "\0" || header.type === "0") && shown.endsWith("/");
  const kind = isFolder ? "directory" : KINDS[header.type];
  if (!kind) {
    throw containerError(`${quoted(shown)} is of type ${quoted(header.type)}, which is unknown`);
  }
  const isLink = kind === "link" || kind === "symlink";
  // Only files have content, whatever the size says: so do container engines read it.
  const storedBytes = kind === "file" ? checkedSize(value("size") ?? header.sizeBytes) : 0;
  const map = await sparseMapOf({ ...header, sizeBytes: storedBytes }, extended, reader);
  const mapBytes = map?.mapBytes ?? 0;
  const start = reader.positionBytes;
  yield {
    name: shown,
    kind,
    mode: header.mode & 0o7777,
    uid: value("uid") ?? header.uid,
    gid: value("gid") ?? header.gid,
    modifiedSeconds: value("mtime") ?? header.modifiedSeconds,
    sizeBytes: map?.sizeBytes ?? storedBytes,
    linkName: isLink ? (words("linkpath") ?? linkName ?? headerLinkName(header)) : "",
    attributes: [...(extended?.values.keys() ?? [])]
      .filter((key) => key.startsWith(ATTRIBUTE_PREFIX))
      .map((key) => key.slice(ATTRIBUTE_PREFIX.length)),
    positionBytes: start,
    content: () => memberContent(reader, storedBytes - mapBytes, map),
  };
  await reader.skip(start - mapBytes + storedBytes - reader.positionBytes);
  // umoci's insert ends an archive right behind the last file's content; Go's reader takes that, too.
  await reader.skipAtMost(paddedBytes(storedBytes) - storedBytes);
}

async function sparseMapOf(
  header: TarHeader,
  extended: ExtendedHeader | undefined,
  reader: ByteReader,
): Promise<SparseMap | undefined> {
  if (header.type === "S") return await readHeaderMap(header, reader);
  return extended && (await readExtendedMap(extended, header.sizeBytes, reader));
}

async function* memberContent(
  reader: ByteReader,
  storedBytes: number,
  map: SparseMap | undefined,
): AsyncGenerator<{ readonly offsetBytes: number; readonly bytes: Uint8Array }> {
  for (const part of map?.parts ?? [{ offsetBytes: 0, sizeBytes: storedBytes }]) {
    let offsetBytes = part.offsetBytes;
    for await (const bytes of reader.pieces(part.sizeBytes)) {
      yield { offsetBytes, bytes };
      offsetBytes += bytes.length;
    }
  }
}

function paddedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}

function checkedSize(sizeBytes: number): number {
  if (sizeBytes >= 0) return sizeBytes;
  throw containerError("A member of the archive has a size below zero");
}
