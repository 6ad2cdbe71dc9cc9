/** System calls that Node has not, through koffi. Loaded with the first of them. */
import { createRequire } from "node:module";

type Koffi = typeof import("koffi");
/** Numbers in, a number out. */
export type LibcFunction = (...operands: number[]) => number;

let koffi: Koffi | undefined;
const loaded = new Map<string, LibcFunction>();

/**
 * @param prototype in C: "int flock(int, int)"
 * @throws {Error} when koffi cannot be loaded
 */
export function libcFunction(prototype: string): LibcFunction {
  let found = loaded.get(prototype);
  if (!found) {
    koffi ??= createRequire(import.meta.url)("koffi") as Koffi;
    found = koffi.load("libc.so.6").func(prototype) as LibcFunction;
    loaded.set(prototype, found);
  }
  return found;
}

/** errno of the last call. */
export function lastErrno(): number {
  return koffi?.errno() ?? 0;
}
