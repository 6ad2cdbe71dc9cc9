/**
 * Sparse files of GNU tar (its manual, "Storing Sparse Files"): only the parts that are not zero are in
 * the archive. Four forms: a map in the header and blocks behind it; in repeated records of an extended
 * header (0.0); in one record (0.1); before the content (1.0).
 */
import type { ByteReader } from "./byte-reader.ts";
import { containerError } from "./container-error.ts";
import { type ExtendedHeader, extendedNumber, extendedText } from "./tar-extended.ts";
import { TAR_BLOCK_BYTES, type TarHeader, tarNumber } from "./tar-header.ts";

export interface SparsePart {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface SparseMap {
  /** Of the whole file. */
  readonly sizeBytes: number;
  readonly parts: readonly SparsePart[];
  /** Bytes of the member's content that the map itself took. */
  readonly mapBytes: number;
}

/** Of one file. */
const PARTS_MAX = 100_000;
const HEADER_PARTS = 4;
const BLOCK_PARTS = 21;
const PART_BYTES = 24;

/** The old form: header type "S". */
export async function readHeaderMap(header: TarHeader, reader: ByteReader): Promise<SparseMap> {
  const numbers = partNumbers(header.block, 386, HEADER_PARTS);
  let more = header.block[482] !== 0;
  while (more) {
    const block = await reader.exactly(TAR_BLOCK_BYTES);
    if (!block) throw containerError("The archive is cut off in the map of a sparse file");
    numbers.push(...partNumbers(block, 0, BLOCK_PARTS));
    checkCount(numbers.length / 2);
    more = block[504] !== 0;
  }
  return sparseMap(numbers, tarNumber(header.block, 483, 12), header.sizeBytes, 0);
}

/** The forms with extended headers; undefined for a file that is not sparse. */
export async function readExtendedMap(
  extended: ExtendedHeader,
  memberBytes: number,
  reader: ByteReader,
): Promise<SparseMap | undefined> {
  const major = extendedNumber(extended, "GNU.sparse.major");
  const isOld = extended.values.has("GNU.sparse.map") || extended.sparse.length > 0;
  if (major === undefined && !isOld && !extended.values.has("GNU.sparse.size")) return undefined;
  if (major === 1) {
    const size = extendedNumber(extended, "GNU.sparse.realsize") ?? 0;
    const { numbers, mapBytes } = await readContentMap(memberBytes, reader);
    return sparseMap(numbers, size, memberBytes - mapBytes, mapBytes);
  }
  if (major !== undefined && major !== 0) throw malformed();
  const map = extendedText(extended, "GNU.sparse.map");
  const words = map === undefined ? extended.sparse : map === "" ? [] : map.split(",");
  const size = extendedNumber(extended, "GNU.sparse.size") ?? 0;
  return sparseMap(words.map(wholeNumber), size, memberBytes, 0);
}

/** Decimal lines in whole blocks: how many parts, then offset and size of each. */
async function readContentMap(
  memberBytes: number,
  reader: ByteReader,
): Promise<{ numbers: number[]; mapBytes: number }> {
  const numbers: number[] = [];
  let mapBytes = 0;
  let line = "";
  for (let wanted = 1; numbers.length < wanted; ) {
    if (mapBytes + TAR_BLOCK_BYTES > memberBytes) throw malformed();
    const block = await reader.exactly(TAR_BLOCK_BYTES);
    if (!block) throw malformed();
    mapBytes += TAR_BLOCK_BYTES;
    const lines = (line + block.toString("latin1")).split("\n");
    line = lines.pop() ?? "";
    for (const text of lines.slice(0, wanted - numbers.length)) numbers.push(wholeNumber(text));
    const [count] = numbers;
    if (count === undefined || line.length > TAR_BLOCK_BYTES) throw malformed();
    checkCount(count);
    if (wanted === 1) {
      wanted = 1 + 2 * count;
      for (const text of lines.slice(1, wanted)) numbers.push(wholeNumber(text));
    }
  }
  return { numbers: numbers.slice(1), mapBytes };
}

function partNumbers(block: Buffer, at: number, count: number): number[] {
  const numbers: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = at + index * PART_BYTES;
    if (block[start] === 0) break;
    numbers.push(tarNumber(block, start, 12), tarNumber(block, start + 12, 12));
  }
  return numbers;
}

function sparseMap(
  numbers: readonly number[],
  sizeBytes: number,
  storedBytes: number,
  mapBytes: number,
): SparseMap {
  if (numbers.length % 2 !== 0 || sizeBytes < 0) throw malformed();
  checkCount(numbers.length / 2);
  const parts: SparsePart[] = [];
  let end = 0;
  let total = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const [offset = 0, size = 0] = numbers.slice(index, index + 2);
    if (size < 0 || offset < end || offset + size > sizeBytes) throw malformed();
    end = offset + size;
    total += size;
    parts.push({ offsetBytes: offset, sizeBytes: size });
  }
  if (total !== storedBytes) throw malformed();
  return { sizeBytes, parts, mapBytes };
}

function wholeNumber(text: string): number {
  if (!/^[0-9]{1,16}$/.test(text)) throw malformed();
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw malformed();
  return number;
}

function checkCount(count: number): void {
  if (count > PARTS_MAX) throw containerError(`A sparse file has more than ${PARTS_MAX} parts`);
}

function malformed(): Error {
  return containerError("The map of a sparse file is malformed");
}
