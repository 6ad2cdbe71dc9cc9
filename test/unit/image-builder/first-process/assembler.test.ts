import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  Assembler,
  type SavedRegister,
} from "../../../../image-builder/first-process/assembler.ts";
import { SYSTEM_CALL } from "../../../../image-builder/first-process/linux-call.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("assembler");

/** ELF header and program header come first. */
const CODE_OFFSET = 120;
const CODE_ADDRESS = 0x40_0000n + 120n;
const REGISTERS: readonly SavedRegister[] = ["rbx", "rbp", "r12", "r13", "r14", "r15"];

/** The emitted code, without headers. */
function codeOf(write: (program: Assembler) => void): Buffer {
  const program = new Assembler();
  write(program);
  return Buffer.from(program.assemble()).subarray(CODE_OFFSET);
}

function hex(write: (program: Assembler) => void): string {
  return codeOf(write).toString("hex");
}

/** Runs an executable that only writes and exits; nothing else is ever assembled in this file. */
async function run(write: (program: Assembler) => void, ...args: string[]) {
  await using folder = await temporaryFolder();
  const path = folder.file("program");
  const program = new Assembler();
  write(program);
  await writeFile(path, program.assemble(), { mode: 0o755 });
  const { status, stdout, signal } = spawnSync(path, args, { timeout: 10_000 });
  return { status, signal, text: stdout.toString() };
}

test("a system call loads its arguments in the kernel's order", () => {
  const bytes = codeOf((program) => program.systemCall(0x55, 1, 2, 3, 4, 5, 6));
  // mov rdi/rsi/rdx/r10/r8/r9/rax, imm64; syscall
  const prefixes = ["48bf", "48be", "48ba", "49ba", "49b8", "49b9", "48b8"];
  const values = [1, 2, 3, 4, 5, 6, 0x55];
  const expected = prefixes.map((prefix, index) => {
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(BigInt(values[index] ?? 0));
    return prefix + value.toString("hex");
  });
  assert.is(bytes.toString("hex"), `${expected.join("")}0f05`);
});

test("every saved register has its own encoding of each instruction", () => {
  const encodings = {
    save: ["4889c3", "4889c5", "4989c4", "4989c5", "4989c6", "4989c7"],
    subtractRegister: ["4829d8", "4829e8", "4c29e0", "4c29e8", "4c29f0", "4c29f8"],
    loadWord: [
      "488b8308000000",
      "488b8508000000",
      "498b842408000000",
      "498b8508000000",
      "498b8608000000",
      "498b8708000000",
    ],
    saveStackAddress: [
      "488d9c2408000000",
      "488dac2408000000",
      "4c8da42408000000",
      "4c8dac2408000000",
      "4c8db42408000000",
      "4c8dbc2408000000",
    ],
  };
  for (const [index, register] of REGISTERS.entries()) {
    assert.is(
      hex((p) => p.save(register)),
      encodings.save[index],
    );
    assert.is(
      hex((p) => p.subtractRegister(register)),
      encodings.subtractRegister[index],
    );
    assert.is(
      hex((p) => p.loadWord(register, 8)),
      encodings.loadWord[index],
    );
    assert.is(
      hex((p) => p.saveStackAddress(register, 8)),
      encodings.saveStackAddress[index],
    );
  }
  assert.is(
    hex((p) => p.loadWord("rsp", 0)),
    "488b842400000000",
  );
});

test("jumps lead to their labels, forwards and backwards", () => {
  const forwards = codeOf((program) => {
    program.jump("end");
    program.systemCall(SYSTEM_CALL.sync);
    program.label("end");
  });
  assert.is(forwards[0], 0xe9);
  assert.is(forwards.readInt32LE(1), forwards.length - 5);
  const backwards = codeOf((program) => {
    program.label("begin");
    program.systemCall(SYSTEM_CALL.sync);
    program.jumpIf("not-zero", "begin");
  });
  assert.is(backwards.readInt32LE(backwards.length - 4), -backwards.length);
});

test("the file is one segment that ends where the file ends", () => {
  const program = new Assembler();
  program.systemCall(SYSTEM_CALL.exit, program.string("text"));
  const file = Buffer.from(program.assemble());
  assert.is(file.readUInt32BE(0), 0x7f454c46);
  assert.is(file.readBigUInt64LE(24), CODE_ADDRESS);
  assert.is(file.readBigUInt64LE(96), BigInt(file.length));
  assert.is(file.readBigUInt64LE(104), BigInt(file.length));
});

test("data lies 8-aligned behind the code, and addresses lead to it", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (items) => {
      const program = new Assembler();
      const references = items.map((bytes) => program.bytes(bytes));
      const table = program.pointers(references);
      program.set("rbx", table);
      const file = Buffer.from(program.assemble());
      const at = (address: bigint): number => Number(address - 0x40_0000n);
      const tableAt = at(file.readBigUInt64LE(CODE_OFFSET + 2));
      assert.is(tableAt % 8, 0);
      for (const [index, bytes] of items.entries()) {
        const start = at(file.readBigUInt64LE(tableAt + index * 8));
        assert.is(start % 8, 0);
        assert.equal(file.subarray(start, start + bytes.length), Buffer.from(bytes));
      }
      assert.is(file.readBigUInt64LE(tableAt + items.length * 8), 0n);
    }),
  );
});

test("the same program gives the same bytes", () => {
  const make = (): Uint8Array => {
    const program = new Assembler();
    program.systemCall(SYSTEM_CALL.write, 1, program.string("text"), 4);
    return program.assemble();
  };
  assert.equal(make(), make());
});

test("mistakes of the one who writes a program are refused", () => {
  const fails = (write: (program: Assembler) => void, words: RegExp): void => {
    const program = new Assembler();
    assert.throws(
      () => {
        write(program);
        program.assemble();
      },
      (error: Error) => error instanceof RangeError && words.test(error.message),
    );
  };
  fails((p) => p.jump("nowhere"), /label nowhere is never placed/);
  fails((p) => {
    p.label("twice");
    p.label("twice");
  }, /label twice is placed twice/);
  fails((p) => p.systemCall(1, 1, 2, 3, 4, 5, 6, 7), /six arguments/);
  fails((p) => p.subtract("rbx", 2 ** 31), /32 bits/);
  fails((p) => p.set("rbx", { dataIndex: 3, offset: 0 }), /another assembler/);
});

test("a program that writes and exits does so", async () => {
  const { status, text } = await run((program) => {
    program.systemCall(SYSTEM_CALL.write, 1, program.string("höre\n"), 6);
    program.systemCall(SYSTEM_CALL.exit, 7);
  });
  assert.is(text, "höre\n");
  assert.is(status, 7);
});

test("a parent waits for its child and sees its exit status", async () => {
  const { status, text } = await run((program) => {
    const statusWord = program.bytes(new Uint8Array(8));
    program.systemCall(SYSTEM_CALL.fork);
    program.save("r12");
    program.jumpIf("not-zero", "parent");
    program.systemCall(SYSTEM_CALL.write, 1, program.string("child\n"), 6);
    program.systemCall(SYSTEM_CALL.exit, 5);
    program.label("parent");
    program.systemCall(SYSTEM_CALL.wait4, -1, statusWord, 0, 0);
    program.subtractRegister("r12");
    program.jumpIf("not-zero", "parent");
    program.systemCall(SYSTEM_CALL.write, 1, program.string("parent\n"), 7);
    program.set("rbx", statusWord);
    program.loadWord("rbx", 0);
    program.save("r13");
    program.subtract("r13", 5 << 8); // WIFEXITED with status 5
    program.jumpIf("zero", "right");
    program.systemCall(SYSTEM_CALL.exit, 1);
    program.label("right");
    program.systemCall(SYSTEM_CALL.exit, 0);
  });
  assert.is(text, "child\nparent\n");
  assert.is(status, 0);
});

test("conditions see the result as a signed number", async () => {
  const conditions = ["zero", "not-zero", "negative", "not-negative"] as const;
  const truth: Record<number, readonly boolean[]> = {
    [-1]: [false, true, true, false],
    0: [true, false, false, true],
    1: [false, true, false, true],
  };
  for (const [value, expected] of Object.entries(truth)) {
    for (const [index, condition] of conditions.entries()) {
      const { status } = await run((program) => {
        program.set("r15", Number(value));
        program.subtract("r15", 0);
        program.jumpIf(condition, "taken");
        program.systemCall(SYSTEM_CALL.exit, 0);
        program.label("taken");
        program.systemCall(SYSTEM_CALL.exit, 1);
      });
      assert.is(status === 1, expected[index], `${value} ${condition}`);
    }
  }
});

test("a loop counts down in every saved register", async () => {
  for (const register of REGISTERS) {
    const { status, text } = await run((program) => {
      program.set(register, 3);
      program.label("again");
      program.systemCall(SYSTEM_CALL.write, 1, program.string("."), 1);
      program.subtract(register, 1);
      program.save(register);
      program.jumpIf("not-zero", "again");
      program.systemCall(SYSTEM_CALL.exit, { register });
    });
    assert.is(text, "...", register);
    assert.is(status, 0);
  }
});

test("argv and envp are found on the stack", async () => {
  const { status, text } = await run(
    (program) => {
      program.saveStackAddress("rbx", 8);
      program.loadWord("rbx", 8);
      program.save("r12"); // argv[1]
      program.loadWord("rsp", 0);
      program.addressAfterArguments("rbp");
      program.loadWord("rbp", 0);
      program.save("r13"); // envp[0]: not null
      program.systemCall(SYSTEM_CALL.write, 1, { register: "r12" }, 5);
      program.systemCall(SYSTEM_CALL.write, 1, { register: "r13" }, 1);
      program.loadWord("rsp", 0);
      program.save("r14");
      program.systemCall(SYSTEM_CALL.exit, { register: "r14" });
    },
    "first",
    "second",
  );
  assert.is(status, 3);
  assert.match(text, /^first[A-Za-z_]$/);
});

test.run();
