/**
 * How the guest calls libc: through koffi's native file, loaded by path, because a bundle has no
 * node_modules beside it. The API object is the same as that of the package.
 */
type Koffi = Pick<typeof import("koffi"), "load" | "errno" | "address">;

/** Where the image builder puts koffi's native file. */
export const KOFFI_PATH = "/usr/lib/windlass/koffi.node";

export interface NativeLibrary {
  readonly libc: ReturnType<Koffi["load"]>;
  /** errno of this thread's last call. */
  errno(): number;
  /** The address behind a pointer that a call returned. */
  address(pointer: unknown): bigint;
}

/** @throws {Error} when the file cannot be loaded into this Node */
export function loadNativeLibrary(path: string = KOFFI_PATH): NativeLibrary {
  const module: { exports: Koffi } = { exports: {} as Koffi };
  process.dlopen(module, path);
  const koffi = module.exports;
  return {
    libc: koffi.load("libc.so.6"),
    errno: () => koffi.errno(),
    address: (pointer) => koffi.address(pointer),
  };
}

/** A failed system call, in the form of Node's own errors. */
export function systemCallError(call: string, errno: number, what: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${call} failed with errno ${errno}: ${what}`);
  error.errno = errno;
  error.syscall = call;
  return error;
}
