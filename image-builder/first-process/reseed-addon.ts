/**
 * `reseed.node`: a Node addon whose export is one function, which calls OpenSSL's RAND_poll. That reseeds
 * OpenSSL's primary generator from the kernel; no JavaScript API of Node does, and a clone that did not
 * would hand out the random numbers of its brothers.
 *
 * One ELF64 shared object (System V gABI chapters 4 and 5; x86-64 psABI 4.4), the smallest set of
 * tables with which ld.so accepts one:
 *
 * | segment | content |
 * |---|---|
 * | PT_LOAD, read + execute | ELF header, program headers, hash table, symbols, strings, relocations, code |
 * | PT_LOAD, read + write | dynamic section, then the pointers to the imports, which ld.so fills in |
 * | PT_DYNAMIC | the dynamic section again |
 * | PT_GNU_STACK | says that the stack is not executable |
 */

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 24;
const PAGE_BYTES = 0x1000;

/** In the order of the symbol table, whose entry 0 is the undefined symbol. */
const IMPORTS = ["RAND_poll", "napi_create_function"] as const;
const EXPORT = "napi_register_module_v1";
const EXPORT_INDEX = IMPORTS.length + 1;
const SYMBOLS = EXPORT_INDEX + 1;
const POINTER_BYTES = 8;

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
  const strings = Buffer.from(`\0${[...IMPORTS, EXPORT].join("\0")}\0`);
  const [code, operands] = machineCode();

  const hashAt = HEADER_BYTES + 4 * PROGRAM_HEADER_BYTES;
  const hash = hashTable();
  const symbolsAt = aligned(hashAt + hash.length);
  const stringsAt = symbolsAt + SYMBOLS * SYMBOL_BYTES;
  const relocationsAt = aligned(stringsAt + strings.length);
  const relocationsBytes = IMPORTS.length * RELOCATION_BYTES;
  const codeAt = relocationsAt + relocationsBytes;
  const writableAt = aligned(codeAt + code.length);
  // The next page of memory holds the same page of the file, from the writable part on.
  const dynamicAddress = writableAt + PAGE_BYTES;
  const dynamic = dynamicSection([
    [DYNAMIC_TAG.hash, hashAt],
    [DYNAMIC_TAG.strings, stringsAt],
    [DYNAMIC_TAG.symbols, symbolsAt],
    [DYNAMIC_TAG.relocations, relocationsAt],
    [DYNAMIC_TAG.relocationsBytes, relocationsBytes],
    [DYNAMIC_TAG.relocationBytes, RELOCATION_BYTES],
    [DYNAMIC_TAG.stringsBytes, strings.length],
    [DYNAMIC_TAG.symbolBytes, SYMBOL_BYTES],
    [DYNAMIC_TAG.end, 0],
  ]);
  const pointersAddress = dynamicAddress + dynamic.length;
  const pointerOf = (name: (typeof IMPORTS)[number]): number =>
    pointersAddress + IMPORTS.indexOf(name) * POINTER_BYTES;
  for (const [name, at] of operands) code.writeInt32LE(pointerOf(name) - (codeAt + at + 4), at);

  const file = Buffer.alloc(writableAt + dynamic.length + IMPORTS.length * POINTER_BYTES);
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
  strings.copy(file, stringsAt);
  const nameOf = (name: string): number => strings.indexOf(`${name}\0`);
  for (const [index, name] of IMPORTS.entries()) {
    writeSymbol(file, symbolsAt + (index + 1) * SYMBOL_BYTES, { name: nameOf(name) });
    const at = relocationsAt + index * RELOCATION_BYTES;
    file.writeBigUInt64LE(BigInt(pointerOf(name)), at); // r_offset
    file.writeUInt32LE(RELOCATION_GLOBAL_DATA, at + 8); // r_info, type
    file.writeUInt32LE(index + 1, at + 12); // r_info, symbol
  }
  writeSymbol(file, symbolsAt + EXPORT_INDEX * SYMBOL_BYTES, {
    ...{ name: nameOf(EXPORT), address: codeAt, bytes: code.length },
  });
  code.copy(file, codeAt);
  dynamic.copy(file, writableAt);
  return file;
}

/** @returns the code, the initialiser first, and where in it the distances to imports' pointers go */
function machineCode(): [Buffer, [(typeof IMPORTS)[number], number][]] {
  const initialiser = [
    // napi_value napi_register_module_v1(napi_env env: rdi, napi_value exports: rsi)
    ...[0x48, 0x83, 0xec, 0x18], // sub rsp, 24: the result, and 16-byte alignment for the call
    ...[0x31, 0xf6], // xor esi, esi: no name
    ...[0x31, 0xd2], // xor edx, edx
    ...[0x48, 0x8d, 0x0d, 0, 0, 0, 0], // lea rcx, [rip + callback]
    ...[0x45, 0x31, 0xc0], // xor r8d, r8d: no data
    ...[0x49, 0x89, 0xe1], // mov r9, rsp: result
    ...[0xff, 0x15, 0, 0, 0, 0], // call [rip + napi_create_function]
    ...[0x48, 0x8b, 0x04, 0x24], // mov rax, [rsp]
    ...[0x48, 0x83, 0xc4, 0x18], // add rsp, 24
    0xc3, // ret
  ];
  const callback = [
    // napi_value callback(napi_env env, napi_callback_info info)
    0x50, // push rax: 16-byte alignment for the call
    ...[0xff, 0x15, 0, 0, 0, 0], // call [rip + RAND_poll]
    ...[0x31, 0xc0], // xor eax, eax: undefined
    0x59, // pop rcx
    0xc3, // ret
  ];
  const code = Buffer.from([...initialiser, ...callback]);
  const callbackOperandAt = 11;
  code.writeInt32LE(initialiser.length - (callbackOperandAt + 4), callbackOperandAt);
  return [
    code,
    [
      ["napi_create_function", 23],
      ["RAND_poll", initialiser.length + 3],
    ],
  ];
}

/** One bucket with all symbols in a chain: which hash function ld.so uses does not matter then. */
function hashTable(): Buffer {
  // Buckets, chain length, the bucket's first symbol, then to each symbol the next: downwards to 0.
  const chain = Array.from({ length: SYMBOLS }, (_, index) => Math.max(0, index - 1));
  const words = [1, SYMBOLS, EXPORT_INDEX, ...chain];
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
