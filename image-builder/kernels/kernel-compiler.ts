/** The programs that a kernel is compiled with. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ImageError } from "../errors.ts";

const run = promisify(execFile);

/**
 * What the build calls, how it says that it is there, and its Debian package. The last two are headers
 * that programs of the kernel's build include.
 */
const TOOLS = [
  { package: "gcc", argv: ["gcc", "--version"] },
  { package: "binutils", argv: ["ld", "--version"] },
  { package: "make", argv: ["make", "--version"] },
  { package: "flex", argv: ["flex", "--version"] },
  { package: "bison", argv: ["bison", "--version"] },
  { package: "bc", argv: ["bc", "--version"] },
  { package: "xz-utils", argv: ["xz", "--version"] },
  { package: "libc6-dev", argv: ["gcc", "-E", "-include", "stdio.h", "-x", "c", "/dev/null"] },
  { package: "libelf-dev", argv: ["gcc", "-E", "-include", "gelf.h", "-x", "c", "/dev/null"] },
] as const;

/** Their versions decide about the kernel's bytes. */
const DECIDING = new Set<string>(["gcc", "binutils"]);

/**
 * @returns the versions that decide about the kernel's bytes, in words
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE that names the one command which installs what is
 *   missing
 */
export async function compilerVersions(signal?: AbortSignal): Promise<string[]> {
  const found = await Promise.all(
    TOOLS.map(async ({ package: name, argv }) => {
      const [program, ...args] = argv;
      const options = { env: { ...process.env, LC_ALL: "C" }, ...(signal && { signal }) };
      const words = await run(program, args, options).catch(() => undefined);
      return { name, version: words?.stdout.split("\n", 1)[0] };
    }),
  );
  signal?.throwIfAborted();
  const missing = found.filter(({ version }) => version === undefined).map(({ name }) => name);
  if (missing.length > 0) {
    throw new ImageError(
      "WL_IMAGE_KERNEL_UNAVAILABLE",
      `Cannot build a kernel: this host lacks ${missing.join(", ")}`,
      { next: `As root, run "apt-get install ${missing.join(" ")}"` },
    );
  }
  return found.flatMap(({ name, version }) => (DECIDING.has(name) ? [version ?? ""] : []));
}
