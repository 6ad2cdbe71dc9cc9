/**
 * `reseed.node`: a Node addon whose initialiser calls OpenSSL's RAND_poll and returns its exports as
 * they are. Node runs it at every `process.dlopen`. RAND_poll reseeds OpenSSL's primary generator
 * from the kernel; no JavaScript API of Node does, and a clone that did not would hand out the
 * random numbers of its brothers.
 *
 * One ELF64 shared object (System V gABI chapters 4 and 5; x86-64 psABI 4.4), the smallest set of
 * tables with which ld.so accepts one:
 *
 * | segment | content |
 * |---|---|
 * | PT_LOAD, read + execute | ELF header, program headers, hash table, symbols, strings, relocation, code |
 * | PT_LOAD, read + write | dynamic section, then the pointer to RAND_poll that ld.so fills in |
 * | PT_DYNAMIC | the dynamic section again |
 * | PT_GNU_STACK | says that the stack is not executable |
 */

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 24;
const PAGE_BYTES = 0x1000;

/** Symbol table indexes; 0 is the undefined symbol that every table starts with. */
const IMPORT = 1;
const EXPORT = 2;
const SYMBOLS = 3;

/** d_tag values (gABI figure 5-10). */
const DYNAMIC_TAG = {
  end: 0,
  hash: 4,
  strings: 5,
  symbols: 6,
  relocations: 7,
  relocationsBytes: 8,
  relocationBytes: 9,
  stringsBytes: 10,
  symbolBytes: 11,
} as const;
/** R_X86_64_GLOB_DAT (psABI table 4.9): the symbol's address. */
const RELOCATION_GLOBAL_DATA = 6;

/** Emits the addon. */
export function reseedAddon(): Uint8Array {
  const strings = Buffer.from("\0RAND_poll\0napi_register_module_v1\0");
  const code = Buffer.from([
    // napi_value napi_register_module_v1(napi_env env: rdi, napi_value exports: rsi)
    ...[0x53], // push rbx: keeps the caller's, and puts the stack on 16 bytes for the call
    ...[0x48, 0x89, 0xf3], // mov rbx, rsi
    ...[0xff, 0x15, 0, 0, 0, 0], // call [rip + pointer]
    ...[0x48, 0x89, 0xd8], // mov rax, rbx
    ...[0x5b], // pop rbx
    ...[0xc3], // ret
  ]);
  const callOperandAt = 6;

  const hashAt = HEADER_BYTES + 4 * PROGRAM_HEADER_BYTES;
  const hash = hashTable();
  const symbolsAt = hashAt + hash.length;
  const stringsAt = symbolsAt + SYMBOLS * SYMBOL_BYTES;
  const relocationsAt = aligned(stringsAt + strings.length);
  const codeAt = relocationsAt + RELOCATION_BYTES;
  const writableAt = aligned(codeAt + code.length);
  // The next page of memory holds the same page of the file, from the writable part on.
  const dynamicAddress = writableAt + PAGE_BYTES;
  const dynamic = dynamicSection([
    [DYNAMIC_TAG.hash, hashAt],
    [DYNAMIC_TAG.strings, stringsAt],
    [DYNAMIC_TAG.symbols, symbolsAt],
    [DYNAMIC_TAG.relocations, relocationsAt],
    [DYNAMIC_TAG.relocationsBytes, RELOCATION_BYTES],
    [DYNAMIC_TAG.relocationBytes, RELOCATION_BYTES],
    [DYNAMIC_TAG.stringsBytes, strings.length],
    [DYNAMIC_TAG.symbolBytes, SYMBOL_BYTES],
    [DYNAMIC_TAG.end, 0],
  ]);
  const pointerAddress = dynamicAddress + dynamic.length;
  code.writeInt32LE(pointerAddress - (codeAt + callOperandAt + 4), callOperandAt);

  const file = Buffer.alloc(writableAt + dynamic.length + 8);
  const writableBytes = file.length - writableAt;
  writeHeader(file);
  writeProgramHeader(file, 0, { type: 1, flags: 5, at: 0, address: 0, bytes: writableAt });
  writeProgramHeader(file, 1, {
    ...{ type: 1, flags: 6, at: writableAt, address: dynamicAddress, bytes: writableBytes },
  });
  writeProgramHeader(file, 2, {
    ...{ type: 2, flags: 6, at: writableAt, address: dynamicAddress, bytes: dynamic.length },
  });
  writeProgramHeader(file, 3, { type: 0x6474_e551, flags: 6, at: 0, address: 0, bytes: 0 });
  hash.copy(file, hashAt);
  const nameOf = (name: string): number => strings.indexOf(`${name}\0`);
  writeSymbol(file, symbolsAt + IMPORT * SYMBOL_BYTES, { name: nameOf("RAND_poll") });
  writeSymbol(file, symbolsAt + EXPORT * SYMBOL_BYTES, {
    ...{ name: nameOf("napi_register_module_v1"), address: codeAt, bytes: code.length },
  });
  strings.copy(file, stringsAt);
  file.writeBigUInt64LE(BigInt(pointerAddress), relocationsAt); // r_offset
  file.writeUInt32LE(RELOCATION_GLOBAL_DATA, relocationsAt + 8); // r_info, type
  file.writeUInt32LE(IMPORT, relocationsAt + 12); // r_info, symbol
  code.copy(file, codeAt);
  dynamic.copy(file, writableAt);
  return file;
}

/** One bucket with all symbols in a chain: which hash function ld.so uses does not matter then. */
function hashTable(): Buffer {
  const words = [1, SYMBOLS, EXPORT, 0, 0, IMPORT];
  const table = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) table.writeUInt32LE(word, index * 4);
  return table;
}

function dynamicSection(entries: readonly (readonly [tag: number, value: number])[]): Buffer {
  const section = Buffer.alloc(entries.length * 16);
  for (const [index, [tag, value]] of entries.entries()) {
    section.writeBigUInt64LE(BigInt(tag), index * 16);
    section.writeBigUInt64LE(BigInt(value), index * 16 + 8);
  }
  return section;
}

function writeHeader(file: Buffer): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]); // ELF, 64-bit, little-endian, version 1, System V
  file.writeUInt16LE(3, 16); // e_type ET_DYN
  file.writeUInt16LE(62, 18); // e_machine EM_X86_64
  file.writeUInt32LE(1, 20); // e_version
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32); // e_phoff
  file.writeUInt16LE(HEADER_BYTES, 52); // e_ehsize
  file.writeUInt16LE(PROGRAM_HEADER_BYTES, 54); // e_phentsize
  file.writeUInt16LE(4, 56); // e_phnum
}

interface Segment {
  readonly type: number;
  /** 1 execute, 2 write, 4 read. */
  readonly flags: number;
  readonly at: number;
  readonly address: number;
  readonly bytes: number;
}

function writeProgramHeader(file: Buffer, index: number, segment: Segment): void {
  const start = HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
  file.writeUInt32LE(segment.type, start);
  file.writeUInt32LE(segment.flags, start + 4);
  file.writeBigUInt64LE(BigInt(segment.at), start + 8);
  file.writeBigUInt64LE(BigInt(segment.address), start + 16); // p_vaddr
  file.writeBigUInt64LE(BigInt(segment.address), start + 24); // p_paddr
  file.writeBigUInt64LE(BigInt(segment.bytes), start + 32); // p_filesz
  file.writeBigUInt64LE(BigInt(segment.bytes), start + 40); // p_memsz
  file.writeBigUInt64LE(BigInt(segment.type === 1 ? PAGE_BYTES : 8), start + 48); // p_align
}

interface SymbolEntry {
  readonly name: number;
  /** An import has none. */
  readonly address?: number;
  readonly bytes?: number;
}

function writeSymbol(file: Buffer, start: number, { name, address, bytes }: SymbolEntry): void {
  file.writeUInt32LE(name, start);
  file.writeUInt8(0x12, start + 4); // st_info: STB_GLOBAL, STT_FUNC
  // There are no sections; any number that is not SHN_UNDEF says that the symbol is defined here.
  file.writeUInt16LE(address === undefined ? 0 : 1, start + 6);
  file.writeBigUInt64LE(BigInt(address ?? 0), start + 8);
  file.writeBigUInt64LE(BigInt(bytes ?? 0), start + 16);
}

function aligned(offset: number): number {
  return (offset + 7) & ~7;
}
