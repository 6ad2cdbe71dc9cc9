/** Allocators of Linux programs, as Debian packages have them: what the model is compared with. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** glibc's own, which is always there, and shared libraries that take its place when they are preloaded. */
export const realAllocators = {
  glibc: undefined,
  jemalloc: { soname: "libjemalloc.so.2", package: "libjemalloc2" },
  tcmalloc: { soname: "libtcmalloc_minimal.so.4", package: "libtcmalloc-minimal4" },
  mimalloc: { soname: "libmimalloc.so.2", package: "libmimalloc2.0" },
} as const;

export type RealAllocatorName = keyof typeof realAllocators;

export const realAllocatorNames = Object.keys(realAllocators) as readonly RealAllocatorName[];

/** Not in the path of most users. */
const LDCONFIG = "/sbin/ldconfig";

export type FoundAllocator =
  | { readonly isThere: true; readonly library?: string }
  /** The Debian package that has it. */
  | { readonly isThere: false; readonly package: string };

/**
 * Looks for an allocator where the dynamic linker does (ldconfig(8)).
 *
 * @throws the signal's reason
 */
export async function findAllocator(
  name: RealAllocatorName,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<FoundAllocator> {
  const wanted = realAllocators[name];
  if (!wanted) return { isThere: true };
  const options = { env: { LC_ALL: "C" }, ...(signal && { signal }) };
  const listing = await run(LDCONFIG, ["-p"], options).catch(() => ({ stdout: "" }));
  signal?.throwIfAborted();
  const library = libraryIn(listing.stdout, wanted.soname);
  if (library === undefined) return { isThere: false, package: wanted.package };
  return { isThere: true, library };
}

/** The path of a library in what `ldconfig -p` prints: "\tNAME (libc6,x86-64) => PATH". */
export function libraryIn(listing: string, soname: string): string | undefined {
  const line = listing.split("\n").find((one) => {
    return one.startsWith(`\t${soname} (`) && one.includes("x86-64");
  });
  return line?.split(" => ")[1];
}
