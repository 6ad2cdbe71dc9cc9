/**
 * Removes what the dynamic linker never loads: symbol table, debug information, comments and the
 * section headers that describe them. What is left is the file up to the end of its last segment,
 * with every program header and every loaded byte unchanged; only the three header fields that point
 * at the section headers become 0. (`strip` keeps the headers of loaded sections; nothing reads
 * those when the program runs.)
 *
 * A file that holds more than its headers describe, as self-extracting programs do, is left whole.
 */
import { constants } from "node:fs";
import { copyFile, open, truncate } from "node:fs/promises";
import { withFileSource } from "./byte-source.ts";
import {
  decodeElfHeader,
  decodeProgramHeaders,
  ELF_HEADER_BYTES,
  type ElfHeader,
  offsetAt,
  PROGRAM_HEADER_BYTES,
  type ProgramHeader,
  SECTION_HEADER_BYTES,
} from "./elf-header.ts";

/** A section that takes no place in the file (.bss). */
const SHT_NOBITS = 8;

/** A stripped file: the first `sizeBytes` of the original with `header` written over its start. */
export interface StripPlan {
  readonly sizeBytes: number;
  readonly header: Uint8Array;
}

/**
 * Deterministic, and stripping twice changes nothing more.
 *
 * @returns a new array, or `bytes` itself when there is nothing to strip
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID when it is not an x86-64 Linux ELF file
 */
export function stripElf(bytes: Uint8Array, file = "ELF file"): Uint8Array {
  const head = bytes.subarray(0, ELF_HEADER_BYTES);
  const header = decodeElfHeader(head, file);
  const tables = tablesOf(header, bytes.length);
  const plan = planStrip({
    head,
    header,
    segments: decodeProgramHeaders(slice(bytes, tables.segments), bytes.length, file),
    sections: slice(bytes, tables.sections),
    sizeBytes: bytes.length,
  });
  if (!plan) return bytes;
  // Not slice(): a Buffer's slice shares its memory.
  const stripped = new Uint8Array(bytes.subarray(0, plan.sizeBytes));
  stripped.set(plan.header);
  return stripped;
}

/**
 * The plan for a file of any size, from its headers alone.
 *
 * @returns undefined when there is nothing to strip
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID, or WL_IMAGE_IO when the file cannot be read
 */
export async function planStripFile(
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<StripPlan | undefined> {
  const plan = async (source: Parameters<Parameters<typeof withFileSource>[1]>[0]) => {
    const { sizeBytes } = source;
    const head = await source.read(0, Math.min(sizeBytes, ELF_HEADER_BYTES));
    const header = decodeElfHeader(head, path);
    const tables = tablesOf(header, sizeBytes);
    const segments = await source.read(tables.segments.offset, tables.segments.lengthBytes);
    const sections = await source.read(tables.sections.offset, tables.sections.lengthBytes);
    return planStrip({
      head,
      header,
      segments: decodeProgramHeaders(segments, sizeBytes, path),
      sections,
      sizeBytes,
    });
  };
  return withFileSource(path, plan, options);
}

/**
 * Writes the stripped copy, letting the kernel move the bytes.
 *
 * @throws {Error} of the file system, when the copy cannot be written
 */
export async function writeStripped(
  path: string,
  destination: string,
  plan: StripPlan | undefined,
): Promise<void> {
  await copyFile(path, destination, constants.COPYFILE_FICLONE);
  if (!plan) return;
  await truncate(destination, plan.sizeBytes);
  const handle = await open(destination, "r+");
  try {
    await handle.write(plan.header, 0, plan.header.length, 0);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

interface Headers {
  readonly head: Uint8Array;
  readonly header: ElfHeader;
  readonly segments: readonly ProgramHeader[];
  /** The section header table; empty when there is none or it is not inside the file. */
  readonly sections: Uint8Array;
  readonly sizeBytes: number;
}

function planStrip({
  head,
  header,
  segments,
  sections,
  sizeBytes,
}: Headers): StripPlan | undefined {
  // An object file has no segments: all of it is what the linker, or the kernel's loader, reads.
  if (segments.length === 0) return undefined;
  const keepBytes = Math.max(
    header.programHeadersOffset + segments.length * PROGRAM_HEADER_BYTES,
    ...segments.map((segment) => segment.offset + segment.fileSizeBytes),
  );
  if (keepBytes >= sizeBytes || endOfSections(header, sections) < sizeBytes) return undefined;

  const stripped = new Uint8Array(head);
  const view = new DataView(stripped.buffer);
  view.setBigUint64(40, 0n, true); // e_shoff
  view.setUint16(60, 0, true); // e_shnum
  view.setUint16(62, 0, true); // e_shstrndx
  return { sizeBytes: keepBytes, header: stripped };
}

/** The first byte that no section and not the section header table claims. */
function endOfSections(header: ElfHeader, sections: Uint8Array): number {
  const view = new DataView(sections.buffer, sections.byteOffset, sections.byteLength);
  let end = sections.length === 0 ? 0 : header.sectionHeadersOffset + sections.length;
  for (let at = 0; at < sections.length; at += SECTION_HEADER_BYTES) {
    if (view.getUint32(at + 4, true) === SHT_NOBITS) continue;
    end = Math.max(end, offsetAt(view, at + 24) + offsetAt(view, at + 32));
  }
  return end;
}

interface Range {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Where the two header tables lie; a table that is not whole inside the file counts as absent. */
function tablesOf(header: ElfHeader, sizeBytes: number): { segments: Range; sections: Range } {
  const inside = (offset: number, lengthBytes: number): Range =>
    offset + lengthBytes <= sizeBytes ? { offset, lengthBytes } : { offset: 0, lengthBytes: 0 };
  const hasSections = header.sectionHeaderSizeBytes === SECTION_HEADER_BYTES;
  return {
    segments: inside(header.programHeadersOffset, header.programHeaderCount * PROGRAM_HEADER_BYTES),
    sections: inside(
      header.sectionHeadersOffset,
      hasSections ? header.sectionHeaderCount * SECTION_HEADER_BYTES : 0,
    ),
  };
}

function slice(bytes: Uint8Array, { offset, lengthBytes }: Range): Uint8Array {
  return bytes.subarray(offset, offset + lengthBytes);
}
