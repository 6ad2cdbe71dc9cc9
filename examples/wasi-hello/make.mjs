// Writes hello.wasm: a WASI module that greets, and ends with the number of its arguments.
import { writeFileSync } from "node:fs";

const TEXT = "Hello from WebAssembly\n";
const I32 = 0x7f;
const FUNCTION = 0x60;

const list = (...items) => [items.length, ...items.flat()];
const name = (text) => list(...Buffer.from(text));
const section = (id, content) => [id, content.length, ...content];
const type = (parameters, results) => [FUNCTION, ...list(...parameters), ...list(...results)];
const wasi = (what, typeIndex) => [...name("wasi_snapshot_preview1"), ...name(what), 0, typeIndex];
const constant = (value) => [0x41, value];
const call = (index) => [0x10, index];
const load = [0x28, 2, 0];
const drop = 0x1a;
const end = 0x0b;

// Memory: 0 address and 4 length of the text, 8 bytes written, 12 number of arguments, 16 their size, 32 the text.
const body = [
  0, // no locals
  ...constant(1), ...constant(0), ...constant(1), ...constant(8), ...call(0), drop,
  ...constant(12), ...constant(16), ...call(1), drop,
  ...constant(12), ...load, ...constant(1), 0x6b, ...call(2),
  end,
];
const data = [32, 0, 0, 0, TEXT.length, 0, 0, 0];

writeFileSync(
  "hello.wasm",
  Buffer.from([
    ...Buffer.from("\0asm"), 1, 0, 0, 0,
    ...section(1, list(type([I32, I32, I32, I32], [I32]), type([I32, I32], [I32]), type([I32], []), type([], []))),
    ...section(2, list(wasi("fd_write", 0), wasi("args_sizes_get", 1), wasi("proc_exit", 2))),
    ...section(3, list([3])),
    ...section(5, list([0, 1])),
    ...section(7, list([...name("memory"), 2, 0], [...name("_start"), 0, 3])),
    ...section(10, list([body.length, ...body])),
    ...section(11, list(
      [0, ...constant(0), end, ...list(...data)],
      [0, ...constant(32), end, ...name(TEXT)],
    )),
  ]),
);
