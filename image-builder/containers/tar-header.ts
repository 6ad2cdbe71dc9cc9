/**
 * Blocks of 512 bytes that begin a member of a tar archive: V7, ustar, GNU and star.
 *
 * | offset | length | meaning                                                          |
 * |--------|--------|------------------------------------------------------------------|
 * | 0      | 100    | name                                                             |
 * | 100    | 8      | mode; 108 user id, 116 group id                                  |
 * | 124    | 12     | size; 136 time of change                                         |
 * | 148    | 8      | sum of all bytes, itself as spaces                               |
 * | 156    | 1      | type                                                             |
 * | 157    | 100    | target of a link                                                 |
 * | 257    | 8      | "ustar\0" and version, or "ustar  \0" of GNU                     |
 * | 345    | 155    | ustar: what stands before the name (star: 131)                   |
 * | 386    | 96     | GNU: the first 4 parts of a sparse file; 482 more follow, 483 size|
 *
 * Numbers are octal text, or binary with the first bit set.
 */
import { quoted } from "../foreign-text.ts";
import { containerError } from "./container-error.ts";

export const TAR_BLOCK_BYTES = 512;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface TarHeader {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Since 1970; may be negative. */
  readonly modifiedSeconds: number;
  /** The block, for names, and for what only some members have. */
  readonly block: Buffer;
}

/**
 * @returns undefined for a block of zeros
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when the block is no header
 */
export function decodeTarHeader(block: Buffer): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  checkSum(block);
  return {
    type: String.fromCharCode(block.readUInt8(156)),
    mode: tarNumber(block, 100, 8),
    uid: tarNumber(block, 108, 8),
    gid: tarNumber(block, 116, 8),
    sizeBytes: tarNumber(block, 124, 12),
    modifiedSeconds: tarNumber(block, 136, 12),
    block,
  };
}

/**
 * The header's own name. Only for a member that no longer name stands before: then this one is what of the longer
 * one fits into 100 bytes, and tar cuts also in the middle of a character.
 *
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when it is not UTF-8
 */
export function headerName({ block }: TarHeader): string {
  const isUstar = block.toString("latin1", 257, 263) === "ustar\0";
  const isStar = isUstar && block.toString("latin1", 508, 512) === "tar\0";
  const prefix = isUstar ? text(block, 345, isStar ? 131 : 155) : "";
  const name = text(block, 0, 100);
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** The header's own target of a link; as `headerName`. @throws {ImageError} WL_IMAGE_CONTAINER_INVALID */
export function headerLinkName({ block }: TarHeader): string {
  return text(block, 157, 100);
}

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when it is not UTF-8 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    const shown = Buffer.from(bytes.subarray(0, 100)).toString("latin1");
    throw containerError(`The name ${quoted(shown)} is not UTF-8`, {
      next: "Build the image again with names in UTF-8",
    });
  }
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return decodeText(end < 0 ? field : field.subarray(0, end));
}

/**
 * @returns a whole number that is exact
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when there is none, or it is too large
 */
export function tarNumber(block: Buffer, at: number, length: number): number {
  const first = block.readUInt8(at);
  if ((first & 0x80) !== 0) {
    let value = first === 0xff ? -1n : BigInt(first & 0x7f);
    for (let index = 1; index < length; index += 1) {
      value = value * 256n + BigInt(block.readUInt8(at + index));
    }
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw containerError(`A tar header holds the number ${value}, which is too large`);
  }
  const digits = block.toString("latin1", at, at + length).replace(/^[ \0]+|[ \0].*$/gs, "");
  if (digits === "") return 0;
  if (/^[0-7]+$/.test(digits)) return Number.parseInt(digits, 8);
  throw containerError(`A tar header holds ${quoted(digits)} where a number should be`);
}

function checkSum(block: Buffer): void {
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let index = 0; index < TAR_BLOCK_BYTES; index += 1) {
    if (index >= 148 && index < 156) continue;
    const byte = block[index] ?? 0;
    unsigned += byte;
    // Some old programs took bytes for signed.
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stated = tarNumber(block, 148, 8);
  if (stated === unsigned || stated === signed) return;
  throw containerError("The layer is no tar archive: the checksum of a header is wrong");
}
