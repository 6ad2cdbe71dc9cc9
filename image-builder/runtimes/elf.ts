/**
 * Reads what a program or library asks of the machine it runs on: interpreter, libraries, search
 * paths, symbol versions. Works on hostile files: every read is bounded and inside the file, every
 * count is capped, and whatever does not fit ends in an ImageError that names the file.
 *
 * Addresses are translated through the loaded segments, as the dynamic linker does; section headers
 * are never looked at, because a stripped file has none.
 */
import { type ByteSource, bytesSource, withFileSource } from "./byte-source.ts";
import {
  decodeElfHeader,
  decodeProgramHeaders,
  ELF_HEADER_BYTES,
  type ElfType,
  invalidBinary,
  PROGRAM_HEADER_BYTES,
  type ProgramHeader,
  PT_DYNAMIC,
  PT_INTERP,
  PT_LOAD,
  PT_NOTE,
} from "./elf-header.ts";
import { type DlopenNote, dlopenNotes } from "./elf-notes.ts";
import {
  type ElfMemory,
  readVersionsDefined,
  readVersionsNeeded,
  type VersionsNeeded,
} from "./elf-versions.ts";

export interface Elf {
  readonly type: ElfType;
  /** Path of the dynamic linker, absent in libraries and static programs. */
  readonly interpreter?: string;
  readonly soname?: string;
  /** Names of the libraries needed, in the file's order. */
  readonly needed: readonly string[];
  /** DT_RPATH, split at ":". */
  readonly rpath?: readonly string[];
  /** DT_RUNPATH, split at ":"; when present the dynamic linker ignores this file's DT_RPATH. */
  readonly runpath?: readonly string[];
  /** The file says of itself that it is a position-independent executable (DF_1_PIE). */
  readonly isPie: boolean;
  /** Its libraries are never looked for in the default folders (DF_1_NODEFLIB). */
  readonly avoidsDefaults: boolean;
  /** Libraries that it says it opens while it runs (.note.dlopen). */
  readonly dlopens: readonly DlopenNote[];
  /** Symbol versions asked of other libraries, weak ones left out. */
  readonly versionsNeeded: readonly VersionsNeeded[];
  /** Symbol versions this library provides; empty when it has none. */
  readonly versionsDefined: readonly string[];
}

/** Tags of the dynamic section (System V gABI, "Dynamic Section"; GNU values from glibc elf.h). */
const DT_NULL = 0n;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;
const DT_SONAME = 14n;
const DT_RPATH = 15n;
const DT_RUNPATH = 29n;
const DT_FLAGS_1 = 0x6ffffffbn;
const DT_VERDEF = 0x6ffffffcn;
const DT_VERDEFNUM = 0x6ffffffdn;
const DT_VERNEED = 0x6ffffffen;
const DT_VERNEEDNUM = 0x6fffffffn;
const DF_1_PIE = 0x08000000n;
const DF_1_NODEFLIB = 0x00000800n;

/** 4096 entries; the largest seen on a Debian system has 0x250 bytes. */
const DYNAMIC_MAX_BYTES = 65_536;
const DYNAMIC_ENTRY_BYTES = 16;
/** Longest path the kernel takes (limits.h PATH_MAX), its zero byte included. */
const INTERPRETER_MAX_BYTES = 4096;
const STRING_MAX_BYTES = 65_536;
/** All names of one file together; libc and libstdc++ have about 2 KiB. */
const STRINGS_MAX_BYTES = 1_048_576;
/** All notes of one file together; what would be more is passed over, for a program runs without. */
const NOTES_MAX_BYTES = 262_144;
/** Node's own has 3 MiB; of a larger one the rest is not looked at. */
const SYMBOL_NAMES_MAX_BYTES = 16_777_216;

/**
 * @param source the file's bytes, or a reader of them
 * @param file the name errors use
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID when it is not a well-formed x86-64 Linux ELF file
 */
export async function readElf(source: Uint8Array | ByteSource, file: string): Promise<Elf> {
  return new ElfReader(source instanceof Uint8Array ? bytesSource(source) : source, file).read();
}

/**
 * Reads a few blocks of the file, whatever its size.
 *
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID, or WL_IMAGE_IO when it cannot be read
 */
export async function readElfFile(
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<Elf> {
  return withFileSource(path, (source) => readElf(source, path), options);
}

/**
 * Which of `names` are among the symbols that a file has or needs; of a static program none are.
 *
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID, or WL_IMAGE_IO when it cannot be read
 */
export async function symbolsAmong(
  path: string,
  names: readonly string[],
  options: { signal?: AbortSignal } = {},
): Promise<string[]> {
  return withFileSource(
    path,
    async (source) => {
      const reader = new ElfReader(source, path);
      await reader.read();
      const table = await reader.symbolNames();
      return names.filter((name) => table.includes(`\0${name}\0`));
    },
    options,
  );
}

class ElfReader implements ElfMemory {
  readonly #source: ByteSource;
  readonly #file: string;
  #segments: readonly ProgramHeader[] = [];
  #stringTable: bigint | undefined;
  #stringTableBytes = 0;
  #stringBytesLeft = STRINGS_MAX_BYTES;

  constructor(source: ByteSource, file: string) {
    this.#source = source;
    this.#file = file;
  }

  async read(): Promise<Elf> {
    const size = this.#source.sizeBytes;
    const head = await this.#source.read(0, Math.min(size, ELF_HEADER_BYTES));
    const header = decodeElfHeader(head, this.#file);
    const tableBytes = header.programHeaderCount * PROGRAM_HEADER_BYTES;
    const table = await this.#bytes(header.programHeadersOffset, tableBytes, "program headers");
    const segments = decodeProgramHeaders(table, size, this.#file);
    this.#segments = segments.filter((segment) => segment.type === PT_LOAD);

    const interpreter = await this.#interpreter(segments);
    const dynamic = await this.#dynamic(segments);
    const one = (tag: bigint) => dynamic.find((entry) => entry.tag === tag)?.value;
    this.#stringTable = one(DT_STRTAB);
    this.#stringTableBytes = Number(one(DT_STRSZ) ?? 0n);
    const string = (offset: bigint | undefined) =>
      offset === undefined ? undefined : this.stringAt(Number(offset));

    const needed: string[] = [];
    for (const { tag, value } of dynamic) {
      if (tag === DT_NEEDED) needed.push(await this.stringAt(Number(value)));
    }
    const soname = await string(one(DT_SONAME));
    const rpath = await string(one(DT_RPATH));
    const runpath = await string(one(DT_RUNPATH));
    return {
      type: header.type,
      ...(interpreter === undefined ? {} : { interpreter }),
      ...(soname === undefined ? {} : { soname }),
      needed,
      ...(rpath === undefined ? {} : { rpath: rpath.split(":") }),
      ...(runpath === undefined ? {} : { runpath: runpath.split(":") }),
      isPie: ((one(DT_FLAGS_1) ?? 0n) & DF_1_PIE) !== 0n,
      avoidsDefaults: ((one(DT_FLAGS_1) ?? 0n) & DF_1_NODEFLIB) !== 0n,
      dlopens: await this.#dlopens(segments),
      versionsNeeded: await readVersionsNeeded(this, one(DT_VERNEED), one(DT_VERNEEDNUM)),
      versionsDefined: await readVersionsDefined(this, one(DT_VERDEF), one(DT_VERDEFNUM)),
    };
  }

  /** The dynamic string table; empty when there is none. */
  async symbolNames(): Promise<Buffer> {
    if (this.#stringTable === undefined) return Buffer.alloc(0);
    const { offset, available } = this.#locate(this.#stringTable);
    const size = Math.min(available, this.#stringTableBytes, SYMBOL_NAMES_MAX_BYTES);
    return Buffer.from(await this.#source.read(offset, size));
  }

  async bytesAt(address: bigint, lengthBytes: number): Promise<DataView> {
    const { offset, available } = this.#locate(address);
    if (lengthBytes > available) throw this.malformed("a table reaches out of its segment");
    const bytes = await this.#source.read(offset, lengthBytes);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async stringAt(offset: number): Promise<string> {
    if (this.#stringTable === undefined) throw this.malformed("it has no string table");
    const { offset: start, available } = this.#locate(this.#stringTable + BigInt(offset));
    // Nearly every name is short: look at a little first.
    for (const limit of [256, STRING_MAX_BYTES]) {
      const bytes = await this.#source.read(start, Math.min(available, limit));
      const end = bytes.indexOf(0);
      if (end < 0) continue;
      this.#stringBytesLeft -= end;
      if (this.#stringBytesLeft < 0) throw this.malformed("its names are too long");
      return Buffer.from(bytes.subarray(0, end)).toString("utf8");
    }
    throw this.malformed("a name has no end");
  }

  malformed(why: string): Error {
    return invalidBinary(this.#file, `it is a damaged ELF file: ${why}`);
  }

  async #interpreter(segments: readonly ProgramHeader[]): Promise<string | undefined> {
    const segment = segments.find(({ type }) => type === PT_INTERP);
    if (!segment) return undefined;
    if (segment.fileSizeBytes > INTERPRETER_MAX_BYTES) {
      throw this.malformed("the path of its interpreter is too long");
    }
    const bytes = await this.#bytes(segment.offset, segment.fileSizeBytes, "interpreter");
    const end = bytes.indexOf(0);
    if (end < 1) throw this.malformed("the path of its interpreter is empty or has no end");
    return Buffer.from(bytes.subarray(0, end)).toString("utf8");
  }

  async #dlopens(segments: readonly ProgramHeader[]): Promise<DlopenNote[]> {
    const notes: DlopenNote[] = [];
    let bytesLeft = NOTES_MAX_BYTES;
    for (const { type, offset, fileSizeBytes, alignment } of segments) {
      if (type !== PT_NOTE || fileSizeBytes > bytesLeft) continue;
      if (offset + fileSizeBytes > this.#source.sizeBytes) continue;
      bytesLeft -= fileSizeBytes;
      notes.push(...dlopenNotes(await this.#source.read(offset, fileSizeBytes), alignment));
    }
    return notes;
  }

  async #dynamic(segments: readonly ProgramHeader[]): Promise<{ tag: bigint; value: bigint }[]> {
    const segment = segments.find(({ type }) => type === PT_DYNAMIC);
    if (!segment) return [];
    if (segment.fileSizeBytes > DYNAMIC_MAX_BYTES) {
      throw this.malformed("its dynamic section is too large");
    }
    const view = await this.bytesAt(segment.address, segment.fileSizeBytes);
    const entries: { tag: bigint; value: bigint }[] = [];
    for (let at = 0; at + DYNAMIC_ENTRY_BYTES <= view.byteLength; at += DYNAMIC_ENTRY_BYTES) {
      const tag = view.getBigUint64(at, true);
      if (tag === DT_NULL) break;
      entries.push({ tag, value: view.getBigUint64(at + 8, true) });
    }
    return entries;
  }

  /** Where an address lies in the file, and how many bytes its segment still has from there. */
  #locate(address: bigint): { offset: number; available: number } {
    for (const segment of this.#segments) {
      const distance = address - segment.address;
      if (distance >= 0n && distance < BigInt(segment.fileSizeBytes)) {
        return {
          offset: segment.offset + Number(distance),
          available: segment.fileSizeBytes - Number(distance),
        };
      }
    }
    throw this.malformed(`nothing of the file is loaded at address 0x${address.toString(16)}`);
  }

  async #bytes(offset: number, lengthBytes: number, what: string): Promise<Uint8Array> {
    if (offset + lengthBytes > this.#source.sizeBytes) {
      throw this.malformed(`its ${what} lie beyond the end of the file`);
    }
    return this.#source.read(offset, lengthBytes);
  }
}
