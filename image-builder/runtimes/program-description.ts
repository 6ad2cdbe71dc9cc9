/** What an executable is, in words for people: how it is linked, and with which C library. */
import { type Elf, readElfFile } from "./elf.ts";
import { isMusl } from "./musl-search.ts";
import type { ProgramFiles } from "./program-files.ts";

/** How a program is linked; the kernel and the dynamic linker treat each differently. */
type Linkage = "static" | "static-pie" | "pie" | "non-pie" | "library";

function linkageOf({ type, interpreter, isPie, soname }: Elf): Linkage {
  if (type === "executable") return interpreter === undefined ? "static" : "non-pie";
  if (interpreter !== undefined) return soname === undefined || isPie ? "pie" : "library";
  return isPie ? "static-pie" : "library";
}

const WORDS: Readonly<Record<Linkage, string>> = {
  static: "static",
  "static-pie": "static, position-independent",
  pie: "position-independent",
  "non-pie": "at a fixed address",
  library: "a library that can be run",
};

/** "position-independent, glibc, with 3 more programs and libraries that are opened" */
export async function describeProgram({
  binaries,
}: Pick<ProgramFiles, "binaries">): Promise<string> {
  const [program, ...others] = binaries;
  if (!program) return "nothing";
  const elf = await readElfFile(program.hostPath);
  const { interpreter } = elf;
  const library = interpreter === undefined ? [] : [isMusl(interpreter) ? "musl" : "glibc"];
  const more = others.length === 0 ? [] : [`with ${others.length} more ELF files`];
  return [WORDS[linkageOf(elf)], ...library, ...more].join(", ");
}
