/**
 * The fixed part of an ELF64 little-endian file: file header and program headers, as pure decoding
 * of bytes. Layout: System V ABI, chapter 4 and 5 ("Object Files", "Program Loading"), and elf(5).
 *
 *   file header (64 bytes)                    program header (56 bytes)
 *   0  4 magic 7f 45 4c 46                    0  4 type
 *   4  1 class (1 = 32, 2 = 64 bit)           4  4 flags
 *   5  1 data (1 = little, 2 = big endian)    8  8 offset in the file
 *   7  1 OS ABI                               16 8 virtual address
 *   16 2 type                                 32 8 size in the file
 *   18 2 machine                              40 8 size in memory
 *   32 8 offset of the program headers
 *   40 8 offset of the section headers
 *   54 2 size, 56 2 number of program headers
 *   58 2 size, 60 2 number of section headers
 */
import { ImageError } from "../errors.ts";
import { describeBinary } from "./binary-description.ts";

export const ELF_HEADER_BYTES = 64;
export const PROGRAM_HEADER_BYTES = 56;
export const SECTION_HEADER_BYTES = 64;

/** Linux refuses more (fs/binfmt_elf.c, load_elf_phdrs), so no usable program has more. */
const PROGRAM_HEADERS_MAX_BYTES = 65_536;

const MACHINE_X86_64 = 62;
/** OS ABIs that glibc loads: 0 System V, 3 GNU/Linux (glibc elf/dl-load.c, open_verify). */
const LINUX_ABIS: readonly number[] = [0, 3];

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_NOTE = 4;

const ELF_TYPES = {
  1: "relocatable",
  2: "executable",
  3: "shared",
  4: "core",
} as const;

/** `shared` covers libraries and position-independent executables alike, as in the file itself. */
export type ElfType = (typeof ELF_TYPES)[keyof typeof ELF_TYPES];

export interface ElfHeader {
  readonly type: ElfType;
  readonly programHeadersOffset: number;
  readonly programHeaderCount: number;
  readonly sectionHeadersOffset: number;
  readonly sectionHeaderCount: number;
  readonly sectionHeaderSizeBytes: number;
}

export interface ProgramHeader {
  readonly type: number;
  /** First byte in the file. */
  readonly offset: number;
  readonly fileSizeBytes: number;
  /** First byte in memory, before relocation. */
  readonly address: bigint;
  readonly alignment: number;
}

/** The error for a file that cannot run in the guest; `why` continues "Cannot use FILE: ". */
export function invalidBinary(file: string, why: string, next?: string): ImageError {
  return new ImageError("WL_IMAGE_BINARY_INVALID", `Cannot use ${JSON.stringify(file)}: ${why}`, {
    file,
    next: next ?? "Install or build this file again on x86-64 Linux",
  });
}

/**
 * @param head the first 64 bytes of the file, fewer if it is shorter
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID unless the file is an ELF64 x86-64 Linux file
 */
export function decodeElfHeader(head: Uint8Array, file: string): ElfHeader {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const isElf = head.length >= 4 && view.getUint32(0) === 0x7f454c46;
  if (isElf && head.length < ELF_HEADER_BYTES) {
    throw invalidBinary(file, "it is an ELF file cut off inside its header");
  }
  const isOurs =
    isElf &&
    head[4] === 2 &&
    head[5] === 1 &&
    view.getUint16(18, true) === MACHINE_X86_64 &&
    LINUX_ABIS.includes(view.getUint8(7));
  if (!isOurs) {
    throw invalidBinary(file, `it is ${describeBinary(head)}; the guest runs x86-64 Linux`);
  }
  const type: ElfType | undefined =
    ELF_TYPES[view.getUint16(16, true) as keyof typeof ELF_TYPES] ?? undefined;
  if (!type) throw invalidBinary(file, `its ELF type ${view.getUint16(16, true)} is unknown`);
  const programHeaderCount = view.getUint16(56, true);
  if (programHeaderCount > 0 && view.getUint16(54, true) !== PROGRAM_HEADER_BYTES) {
    throw invalidBinary(file, "its program headers have a wrong size");
  }
  if (programHeaderCount * PROGRAM_HEADER_BYTES > PROGRAM_HEADERS_MAX_BYTES) {
    throw invalidBinary(file, `it has ${programHeaderCount} program headers; Linux refuses that`);
  }
  return {
    type,
    programHeadersOffset: offsetAt(view, 32),
    programHeaderCount,
    sectionHeadersOffset: offsetAt(view, 40),
    sectionHeaderCount: view.getUint16(60, true),
    sectionHeaderSizeBytes: view.getUint16(58, true),
  };
}

/**
 * @param table the bytes of the program header table, whole entries
 * @param sizeBytes size of the file
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID when a loaded segment lies outside the file
 */
export function decodeProgramHeaders(
  table: Uint8Array,
  sizeBytes: number,
  file: string,
): ProgramHeader[] {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const headers: ProgramHeader[] = [];
  for (let at = 0; at + PROGRAM_HEADER_BYTES <= table.length; at += PROGRAM_HEADER_BYTES) {
    const header = {
      type: view.getUint32(at, true),
      offset: offsetAt(view, at + 8),
      address: view.getBigUint64(at + 16, true),
      fileSizeBytes: offsetAt(view, at + 32),
      alignment: offsetAt(view, at + 48),
    };
    if (header.type === PT_LOAD && header.offset + header.fileSizeBytes > sizeBytes) {
      throw invalidBinary(file, "it is cut off: a segment lies beyond the end of the file");
    }
    headers.push(header);
  }
  return headers;
}

/** A 64-bit offset. Beyond 2^53 it is inexact, yet larger than any file, so bounds checks refuse it. */
export function offsetAt(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}
