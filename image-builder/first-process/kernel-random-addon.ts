/**
 * `kernel-random.node`: a Node addon that has OpenSSL take all its random numbers from the kernel, getrandom(2).
 * OpenSSL's own generators are seeded once and computed on from there: every clone would compute the
 * same. With this one (RAND_set_rand_method(3)) there is nothing left in a process that a clone must renew.
 *
 * Its export is a function without arguments: how often OpenSSL was asked for random numbers since, as a BigInt:
 * in the low 32 bits by the thread that loaded the addon first, in the high ones by all threads.
 *
 * One ELF64 shared object (System V gABI chapters 4 and 5; x86-64 psABI 4.4), the smallest set of
 * tables with which ld.so accepts one:
 *
 * | segment | content |
 * |---|---|
 * | PT_LOAD, read + execute | ELF header, program headers, hash table, symbols, strings, relocations, code |
 * | PT_LOAD, read + write | dynamic section, then the pointers to the imports, which ld.so fills in, then variables |
 * | PT_DYNAMIC | the dynamic section again |
 * | PT_GNU_STACK | says that the stack is not executable |
 */
import { SYSTEM_CALL } from "./linux-call.ts";

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 24;
const PAGE_BYTES = 0x1000;

/** In the order of the symbol table, whose entry 0 is the undefined symbol. */
const IMPORTS = [
  "RAND_set_rand_method",
  "napi_create_function",
  "napi_create_bigint_uint64",
] as const;
const EXPORT = "napi_register_module_v1";
const EXPORT_INDEX = IMPORTS.length + 1;
const SYMBOLS = EXPORT_INDEX + 1;
const POINTER_BYTES = 8;
/** Variables behind the pointers to the imports: name, bytes. */
const VARIABLES = [
  /** RAND_METHOD (openssl/rand.h): seed, bytes, cleanup, add, pseudorand, status. */
  ["method", 6 * POINTER_BYTES],
  /** Thread pointer of the thread that loaded the addon. */
  ["thread", POINTER_BYTES],
  /** Calls by that thread, and by all: two 32-bit numbers. */
  ["ownCalls", 4],
  ["allCalls", 4],
] as const;

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
/** mov rax, fs:[0]: the thread control block's first word is its own address (psABI, TLS). */
const THREAD_POINTER_TO_RAX = [0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0] as const;
/** errno(3) EINTR */
const ERROR_INTERRUPTED = 4;
/** R_X86_64_GLOB_DAT (psABI table 4.9): the symbol's address. */
const RELOCATION_GLOBAL_DATA = 6;

/** Emits the addon. */
export function kernelRandomAddon(): Uint8Array {
  const strings = Buffer.from(`\0${[...IMPORTS, EXPORT].join("\0")}\0`);
  const { code, references } = machineCode();

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
  const addresses = new Map<string, number>();
  let end = pointersAddress;
  for (const [name, bytes] of [
    ...IMPORTS.map((name) => [name, POINTER_BYTES] as const),
    ...VARIABLES,
  ]) {
    addresses.set(name, end);
    end += bytes;
  }
  const addressOf = (name: string): number => addresses.get(name) ?? Number.NaN;
  for (const { name, at, from } of references) {
    code.writeInt32LE(addressOf(name) - (codeAt + from), at);
  }

  const file = Buffer.alloc(writableAt + end - dynamicAddress);
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
    file.writeBigUInt64LE(BigInt(addressOf(name)), at); // r_offset
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

/** A distance to an import's pointer or a variable, to be filled in. */
interface Reference {
  readonly name: string;
  /** Where in the code the distance is written. */
  readonly at: number;
  /** And from where it counts: the end of its instruction. */
  readonly from: number;
}

/** @returns the code, the initialiser first */
function machineCode(): { code: Buffer; references: readonly Reference[] } {
  const code: number[] = [];
  const references: Reference[] = [];
  const labels = new Map<string, number>();
  /** Bytes, and names of what the instruction reaches relative to its end. */
  const emit = (...parts: (number | string)[]): void => {
    for (const part of parts) {
      if (typeof part === "number") {
        code.push(part);
        continue;
      }
      references.push({ name: part, at: code.length, from: code.length + 4 });
      code.push(0, 0, 0, 0);
    }
  };
  const label = (name: string): void => void labels.set(name, code.length);
  const callImport = (name: (typeof IMPORTS)[number]): void => emit(0xff, 0x15, name);

  // napi_value napi_register_module_v1(napi_env env: rdi, napi_value exports: rsi)
  emit(0x53); // push rbx: 16-byte alignment for the calls
  emit(0x48, 0x89, 0xfb); // mov rbx, rdi
  emit(0x48, 0x8b, 0x05, "thread"); // mov rax, [thread]
  emit(0x48, 0x85, 0xc0); // test rax, rax
  emit(0x0f, 0x85, "known"); // jnz
  emit(...THREAD_POINTER_TO_RAX);
  emit(0x48, 0x89, 0x05, "thread"); // mov [thread], rax
  label("known");
  emit(0x48, 0x8d, 0x3d, "method"); // lea rdi, [method]
  emit(0x48, 0x8d, 0x05, "succeed"); // lea rax, [succeed]
  emit(0x48, 0x89, 0x07); // mov [rdi], rax: seed
  emit(0x48, 0x89, 0x47, 24); // add
  emit(0x48, 0x89, 0x47, 40); // status
  emit(0x48, 0x8d, 0x05, "draw"); // lea rax, [draw]
  emit(0x48, 0x89, 0x47, 8); // bytes
  emit(0x48, 0x89, 0x47, 32); // pseudorand
  callImport("RAND_set_rand_method");
  emit(0x48, 0x83, 0xec, 16); // sub rsp, 16: the result
  emit(0x48, 0x89, 0xdf); // mov rdi, rbx
  emit(0x31, 0xf6, 0x31, 0xd2); // xor esi, esi; xor edx, edx: no name
  emit(0x48, 0x8d, 0x0d, "calls"); // lea rcx, [calls]
  emit(0x45, 0x31, 0xc0); // xor r8d, r8d: no data
  emit(0x49, 0x89, 0xe1); // mov r9, rsp
  callImport("napi_create_function");
  emit(0x48, 0x8b, 0x04, 0x24); // mov rax, [rsp]
  emit(0x48, 0x83, 0xc4, 16, 0x5b, 0xc3); // add rsp, 16; pop rbx; ret

  // napi_value calls(napi_env env: rdi, napi_callback_info info)
  label("calls");
  emit(0x48, 0x83, 0xec, 24); // sub rsp, 24: the result, and alignment
  emit(0x48, 0x8b, 0x35, "ownCalls"); // mov rsi, [ownCalls]: both
  emit(0x48, 0x89, 0xe2); // mov rdx, rsp
  callImport("napi_create_bigint_uint64");
  emit(0x48, 0x8b, 0x04, 0x24); // mov rax, [rsp]
  emit(0x48, 0x83, 0xc4, 24, 0xc3); // add rsp, 24; ret

  // int draw(unsigned char *bytes: rdi, int count: esi)
  label("draw");
  emit(0x48, 0x63, 0xf6); // movsxd rsi, esi
  emit(0xf0, 0xff, 0x05, "allCalls"); // lock inc dword [allCalls]
  emit(...THREAD_POINTER_TO_RAX);
  emit(0x48, 0x3b, 0x05, "thread"); // cmp rax, [thread]
  emit(0x0f, 0x85, "more"); // jne
  emit(0xff, 0x05, "ownCalls"); // inc dword [ownCalls]
  label("more");
  emit(0x48, 0x85, 0xf6); // test rsi, rsi
  emit(0x0f, 0x8e, "succeed"); // jle
  emit(0xb8, ...[SYSTEM_CALL.getrandom & 0xff, SYSTEM_CALL.getrandom >> 8], 0, 0); // mov eax, imm32
  emit(0x31, 0xd2, 0x0f, 0x05); // xor edx, edx: no flags; syscall
  emit(0x48, 0x85, 0xc0); // test rax, rax
  emit(0x0f, 0x88, "failed"); // js
  emit(0x48, 0x01, 0xc7, 0x48, 0x29, 0xc6); // add rdi, rax; sub rsi, rax: it may have given less
  emit(0xe9, "more"); // jmp
  label("failed");
  emit(0x48, 0x83, 0xf8, -ERROR_INTERRUPTED & 0xff); // cmp rax, -EINTR
  emit(0x0f, 0x84, "more"); // je
  emit(0x31, 0xc0, 0xc3); // xor eax, eax; ret
  // Also seed, add and status: there is nothing to seed, and it is always ready.
  label("succeed");
  emit(0xb8, 1, 0, 0, 0, 0xc3); // mov eax, 1; ret

  const bytes = Buffer.from(code);
  const outside = references.filter(({ name, at, from }) => {
    const target = labels.get(name);
    if (target !== undefined) bytes.writeInt32LE(target - from, at);
    return target === undefined;
  });
  return { code: bytes, references: outside };
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
