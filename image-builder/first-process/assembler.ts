/**
 * A straight-line x86-64 assembler, just large enough for the few static executables that Windlass
 * puts into a guest: system calls with constant or saved arguments, a test, jumps, data.
 *
 * Register use: the kernel clobbers rax, rcx and r11 in a system call (x86-64 psABI, A.2.1); results
 * that must live longer are kept in rbx, rbp, r12, r13, r14 and r15, which no instruction emitted here
 * touches otherwise.
 *
 * The image is one ELF64 file with a single program header (ELF specification 1.2, figures 1-3, 2-1):
 *
 * | offset | length | meaning |
 * |---|---|---|
 * | 0 | 64 | ELF header |
 * | 64 | 56 | program header: PT_LOAD, read + write + execute, the whole file at 0x400000 |
 * | 120 | n | code, entry at its first byte |
 * | 8-aligned | m | data: strings and pointer arrays |
 */

/** Base address of the only segment: the traditional one of static x86-64 executables. */
const LOAD_ADDRESS = 0x40_0000;
const CODE_OFFSET = 64 + 56;

/** A register that survives system calls. */
export type SavedRegister = "rbx" | "rbp" | "r12" | "r13" | "r14" | "r15";

/** A place in the data area; its address is known when the file is assembled. */
export interface DataReference {
  readonly dataIndex: number;
  /** Bytes to add to the address of the data. */
  readonly offset: number;
}

export type Operand = number | bigint | DataReference | { readonly register: SavedRegister };

/** Condition on the last result (rax), as a signed 64-bit number. */
export type Condition = "zero" | "not-zero" | "negative" | "not-negative";

interface DataItem {
  readonly bytes: Uint8Array;
  /** 64-bit pointers to fill in: position in `bytes`, and what it points to. */
  readonly pointers: readonly { readonly at: number; readonly target: DataReference }[];
}

const REGISTER_NUMBER = { rbx: 3, rbp: 5, r12: 12, r13: 13, r14: 14, r15: 15 } as const;
/** rdi, rsi, rdx, r10, r8, r9: the kernel's argument registers, in order. */
const ARGUMENT_REGISTER = [7, 6, 2, 10, 8, 9] as const;
const RAX = 0;
/** Second opcode byte of the near conditional jumps (Intel SDM volume 2, Jcc). */
const JUMP_OPCODE: Record<Condition, number> = {
  zero: 0x84,
  "not-zero": 0x85,
  negative: 0x88,
  "not-negative": 0x89,
};

export class Assembler {
  readonly #code: number[] = [];
  readonly #data: DataItem[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { at: number; label: string }[] = [];
  readonly #addresses: { at: number; target: DataReference }[] = [];

  /** A zero-terminated UTF-8 string. */
  string(text: string): DataReference {
    return this.#addData({ bytes: Buffer.from(`${text}\0`, "utf8"), pointers: [] });
  }

  /** Raw bytes, 8-aligned. */
  bytes(bytes: Uint8Array): DataReference {
    return this.#addData({ bytes: Uint8Array.from(bytes), pointers: [] });
  }

  /** An array of pointers that ends with a null pointer: an argv or envp. */
  pointers(targets: readonly DataReference[]): DataReference {
    return this.#addData({
      bytes: new Uint8Array((targets.length + 1) * 8),
      pointers: targets.map((target, index) => ({ at: index * 8, target })),
    });
  }

  /** Marks the present position. */
  label(name: string): void {
    if (this.#labels.has(name)) throw new RangeError(`label ${name} is placed twice`);
    this.#labels.set(name, this.#code.length);
  }

  /** A system call; its result is then what `jumpIf` and `save` see. */
  systemCall(number: number, ...operands: Operand[]): void {
    if (operands.length > 6) throw new RangeError("a system call takes six arguments at the most");
    for (const [index, operand] of operands.entries()) {
      this.#load(ARGUMENT_REGISTER[index] ?? RAX, operand);
    }
    this.#load(RAX, number);
    this.#code.push(0x0f, 0x05);
  }

  /** Keeps the last result. */
  save(register: SavedRegister): void {
    this.#moveRegister(REGISTER_NUMBER[register], RAX);
  }

  /** Stores the last result, 64 bits, in the data. */
  store(target: DataReference): void {
    this.#code.push(0x48, 0xa3); // mov [imm64], rax
    this.#addresses.push({ at: this.#code.length, target });
    this.#code.push(0, 0, 0, 0, 0, 0, 0, 0);
  }

  /** Sets a saved register. */
  set(register: SavedRegister, value: Operand): void {
    this.#load(REGISTER_NUMBER[register], value);
  }

  /** Makes `register - value` the last result. The value is a signed 32-bit number. */
  subtract(register: SavedRegister, value: number): void {
    if (value !== (value | 0)) throw new RangeError(`${value} does not fit in 32 bits`);
    this.#moveRegister(RAX, REGISTER_NUMBER[register]);
    this.#code.push(0x48, 0x2d, ...littleEndian(value, 4)); // sub rax, imm32
  }

  /** Makes `result - register` the last result. */
  subtractRegister(register: SavedRegister): void {
    const number = REGISTER_NUMBER[register];
    this.#code.push(number >= 8 ? 0x4c : 0x48, 0x29, 0xc0 | ((number & 7) << 3)); // sub rax, reg
  }

  /** Adds the last result to a saved register. */
  addTo(register: SavedRegister): void {
    const number = REGISTER_NUMBER[register];
    this.#code.push(number >= 8 ? 0x49 : 0x48, 0x01, 0xc0 | (number & 7)); // add reg, rax
  }

  /** Loads a 64-bit word from [register + offset] as the last result. */
  loadWord(register: SavedRegister | "rsp", offset: number): void {
    const number = register === "rsp" ? 4 : REGISTER_NUMBER[register];
    this.#code.push(number >= 8 ? 0x49 : 0x48, 0x8b, 0x80 | (number & 7)); // mov rax, [reg+disp32]
    if ((number & 7) === 4) this.#code.push(0x24); // SIB: base only
    this.#code.push(...littleEndian(offset, 4));
  }

  /** Keeps the stack pointer plus an offset: at entry it points to argc (psABI 3.4.1). */
  saveStackAddress(register: SavedRegister, offset: number): void {
    const number = REGISTER_NUMBER[register];
    // lea reg, [rsp+disp32]
    this.#code.push(number >= 8 ? 0x4c : 0x48, 0x8d, 0x84 | ((number & 7) << 3), 0x24);
    this.#code.push(...littleEndian(offset, 4));
  }

  /**
   * Keeps the address of envp: with argc as the last result, rsp + 8 (argv) + 8 * argc + 8 (null).
   */
  addressAfterArguments(register: SavedRegister): void {
    const number = REGISTER_NUMBER[register];
    // lea reg, [rsp+rax*8+16]
    this.#code.push(number >= 8 ? 0x4c : 0x48, 0x8d, 0x84 | ((number & 7) << 3), 0xc4);
    this.#code.push(...littleEndian(16, 4));
  }

  jump(label: string): void {
    this.#code.push(0xe9);
    this.#addJump(label);
  }

  jumpIf(condition: Condition, label: string): void {
    this.#code.push(0x48, 0x85, 0xc0); // test rax, rax
    this.#code.push(0x0f, JUMP_OPCODE[condition]);
    this.#addJump(label);
  }

  /** The executable, ready to be written with mode 0755. */
  assemble(): Uint8Array {
    const code = Buffer.from(this.#code);
    for (const { at, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new RangeError(`label ${label} is never placed`);
      code.writeInt32LE(target - (at + 4), at);
    }
    const offsets: number[] = [];
    let end = CODE_OFFSET + code.length;
    for (const item of this.#data) {
      end = (end + 7) & ~7;
      offsets.push(end);
      end += item.bytes.length;
    }
    const addressOf = ({ dataIndex, offset }: DataReference): bigint => {
      const start = offsets[dataIndex];
      if (start === undefined)
        throw new RangeError(`data ${dataIndex} belongs to another assembler`);
      return BigInt(LOAD_ADDRESS + start + offset);
    };
    for (const { at, target } of this.#addresses) code.writeBigUInt64LE(addressOf(target), at);

    const file = Buffer.alloc(end);
    writeHeaders(file);
    code.copy(file, CODE_OFFSET);
    for (const [index, item] of this.#data.entries()) {
      const start = offsets[index] ?? 0;
      file.set(item.bytes, start);
      for (const { at, target } of item.pointers) {
        file.writeBigUInt64LE(addressOf(target), start + at);
      }
    }
    return file;
  }

  #addData(item: DataItem): DataReference {
    return { dataIndex: this.#data.push(item) - 1, offset: 0 };
  }

  #addJump(label: string): void {
    this.#jumps.push({ at: this.#code.length, label });
    this.#code.push(0, 0, 0, 0);
  }

  #load(register: number, operand: Operand): void {
    if (typeof operand === "object" && "register" in operand) {
      this.#moveRegister(register, REGISTER_NUMBER[operand.register]);
      return;
    }
    this.#code.push(register >= 8 ? 0x49 : 0x48, 0xb8 | (register & 7)); // mov reg, imm64
    if (typeof operand === "object") {
      this.#addresses.push({ at: this.#code.length, target: operand });
      this.#code.push(0, 0, 0, 0, 0, 0, 0, 0);
    } else {
      this.#code.push(...littleEndian(operand, 8));
    }
  }

  #moveRegister(to: number, from: number): void {
    const rex = 0x48 | (from >= 8 ? 4 : 0) | (to >= 8 ? 1 : 0);
    this.#code.push(rex, 0x89, 0xc0 | ((from & 7) << 3) | (to & 7)); // mov to, from
  }
}

function writeHeaders(file: Buffer): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]); // ELF, 64-bit, little-endian, version 1, System V
  file.writeUInt16LE(2, 16); // e_type ET_EXEC
  file.writeUInt16LE(62, 18); // e_machine EM_X86_64
  file.writeUInt32LE(1, 20); // e_version
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS + CODE_OFFSET), 24); // e_entry
  file.writeBigUInt64LE(64n, 32); // e_phoff
  file.writeUInt16LE(64, 52); // e_ehsize
  file.writeUInt16LE(56, 54); // e_phentsize
  file.writeUInt16LE(1, 56); // e_phnum
  file.writeUInt16LE(64, 58); // e_shentsize
  file.writeUInt32LE(1, 64); // p_type PT_LOAD
  file.writeUInt32LE(7, 68); // p_flags read, write, execute
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 80); // p_vaddr
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 88); // p_paddr
  file.writeBigUInt64LE(BigInt(file.length), 96); // p_filesz
  file.writeBigUInt64LE(BigInt(file.length), 104); // p_memsz
  file.writeBigUInt64LE(0x1000n, 112); // p_align
}

function littleEndian(value: number | bigint, length: 4 | 8): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
  return [...bytes.subarray(0, length)];
}
