/**
 * A kernel of a few bytes for tests that need a machine but no system: prints a line on the serial
 * port, then halts, resets, powers off or prints it again. Started through the PVH entry (Xen's x86/HVM direct boot
 * ABI): 32-bit protected mode, flat segments, no paging, interrupts off.
 *
 * File: ELF64 header (0x00, 64 bytes), PT_LOAD of the whole file (0x40), PT_NOTE (0x78), the note
 * (0xb0, 24 bytes, padded to 0xd0), code, text.
 */

/** Where the file is loaded, in guest physical memory. */
const LOAD_ADDRESS = 0x100000;
const NOTE_OFFSET = 0xb0;
const CODE_OFFSET = 0xd0;
/** XEN_ELFNOTE_PHYS32_ENTRY of Xen's public/elfnote.h. */
const PHYS32_ENTRY_NOTE = 18;

const endings = {
  // cli; 1: hlt; jmp 1b
  halt: [0xfa, 0xf4, 0xeb, 0xfd],
  // push 0; push 0; lidt [esp]; int3: without an interrupt table this is a triple fault
  reset: [0x6a, 0x00, 0x6a, 0x00, 0x0f, 0x01, 0x1c, 0x24, 0xcc],
  // jmp to the first instruction of printCode
  repeat: [0xeb, 0xe8],
  // mov dx, 0x604; mov ax, 0x2000; out dx, ax: the pc machine's ACPI PM1a control, sleep type S5; hlt
  poweroff: [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef, 0xfa, 0xf4],
} as const;

export function pvhKernel(options: { print?: string; ending: keyof typeof endings }): Uint8Array {
  const text = Buffer.from(`${options.print ?? ""}\0`);
  const code = printCode(options.ending);
  const file = Buffer.alloc(CODE_OFFSET + code.length + text.length);
  const textAddress = LOAD_ADDRESS + CODE_OFFSET + code.length;
  code.writeUInt32LE(textAddress, STACK_BYTES + 1);

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64-bit, little-endian, version 1
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(62, 18); // EM_X86_64
  file.writeUInt32LE(1, 20); // version
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS + CODE_OFFSET), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(64, 52); // size of this header
  file.writeUInt16LE(56, 54); // size of a program header
  file.writeUInt16LE(2, 56); // their number

  programHeader(file, 0x40, { type: 1, flags: 7, offset: 0, size: file.length, align: 0x1000 });
  programHeader(file, 0x78, { type: 4, flags: 4, offset: NOTE_OFFSET, size: 24, align: 4 });

  file.writeUInt32LE(4, NOTE_OFFSET); // bytes of the name
  file.writeUInt32LE(8, NOTE_OFFSET + 4); // bytes of the value
  file.writeUInt32LE(PHYS32_ENTRY_NOTE, NOTE_OFFSET + 8);
  file.write("Xen\0", NOTE_OFFSET + 12);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS + CODE_OFFSET), NOTE_OFFSET + 16);

  file.set(code, CODE_OFFSET);
  file.set(text, CODE_OFFSET + code.length);
  return file;
}

const STACK_BYTES = 5;

function printCode(ending: keyof typeof endings): Buffer {
  return Buffer.from([
    ...[0xbc, 0x00, 0x00, 0x09, 0x00], // mov esp, 0x90000
    ...[0xbe, 0, 0, 0, 0], // mov esi, text (written by the caller)
    ...[0x66, 0xba, 0xf8, 0x03], // mov dx, 0x3f8 (COM1)
    ...[0xac], // 1: lodsb
    ...[0x84, 0xc0], // test al, al
    ...[0x74, 0x03], // jz 2f
    ...[0xee], // out dx, al
    ...[0xeb, 0xf8], // jmp 1b
    ...endings[ending], // 2:
  ]);
}

function programHeader(
  file: Buffer,
  at: number,
  header: { type: number; flags: number; offset: number; size: number; align: number },
): void {
  file.writeUInt32LE(header.type, at);
  file.writeUInt32LE(header.flags, at + 4);
  file.writeBigUInt64LE(BigInt(header.offset), at + 8);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS + header.offset), at + 16); // virtual address
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS + header.offset), at + 24); // physical address
  file.writeBigUInt64LE(BigInt(header.size), at + 32); // in the file
  file.writeBigUInt64LE(BigInt(header.size), at + 40); // in memory
  file.writeBigUInt64LE(BigInt(header.align), at + 48);
}
