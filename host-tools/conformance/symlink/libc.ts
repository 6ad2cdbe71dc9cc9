/**
 * libc for this suite alone, through koffi's native file: what Node's fs cannot say. Each function is one
 * prototype; errors have Node's form (`code`, `errno`, `syscall`).
 */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { getSystemErrorName } from "node:util";

type Koffi = Pick<typeof import("koffi"), "load" | "errno" | "address">;

/** In a guest (guest/syscalls/koffi.ts); beside this program, where there is no agent. */
const GUEST_KOFFI_PATH = "/usr/lib/windlass/koffi.node";
export const KOFFI_FILE = "koffi.node";

export type Libc = ReturnType<typeof functions>;

let loaded: { readonly koffi: Koffi; readonly functions: Libc } | undefined;

/** @throws {Error} when there is no koffi here */
export function libc(): Libc {
  return load().functions;
}

/** A result below 0 is an error. @throws {NodeJS.ErrnoException} */
export function check(call: string, result: number | bigint): number {
  if (result >= 0) return Number(result);
  const errno = load().koffi.errno();
  const code = getSystemErrorName(-errno);
  throw Object.assign(new Error(`${call}: ${code}`), { code, errno, syscall: call });
}

/** Where a copy of a text lies; it is never given back. */
export function addressOf(text: string): bigint {
  return load().koffi.address(libc().strdup(text));
}

function load(): { readonly koffi: Koffi; readonly functions: Libc } {
  if (loaded) return loaded;
  const beside = join(dirname(realpathSync(process.argv[1] ?? "")), KOFFI_FILE);
  const path = [beside, GUEST_KOFFI_PATH].find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`there is no ${beside}, and no ${GUEST_KOFFI_PATH}`);
  const module: { exports: Koffi } = { exports: {} as Koffi };
  process.dlopen(module, path);
  loaded = { koffi: module.exports, functions: functions(module.exports) };
  return loaded;
}

function functions(koffi: Koffi) {
  const library = koffi.load("libc.so.6");
  return {
    // Addresses as numbers, for those that point nowhere.
    symlink: library.func("int symlink(size_t target, size_t path)"),
    readlinkat: library.func(
      "long readlinkat(int folder, const char *path, _Out_ uint8_t *buffer, size_t bytes)",
    ),
    readlinkNowhere: library.func("long readlink(size_t path, size_t buffer, size_t bytes)"),
    linkat: library.func(
      "int linkat(int folder, const char *path, int newFolder, const char *newPath, int flags)",
    ),
    renameat2: library.func(
      "int renameat2(int folder, const char *path, int newFolder, const char *newPath, unsigned int flags)",
    ),
    symlinkat: library.func("int symlinkat(const char *target, int folder, const char *path)"),
    unlinkat: library.func("int unlinkat(int folder, const char *path, int flags)"),
    fchmodat: library.func(
      "int fchmodat(int folder, const char *path, unsigned int mode, int flags)",
    ),
    fchownat: library.func(
      "int fchownat(int folder, const char *path, unsigned int uid, unsigned int gid, int flags)",
    ),
    faccessat: library.func("int faccessat(int folder, const char *path, int mode, int flags)"),
    utimensat: library.func(
      "int utimensat(int folder, const char *path, const uint8_t *times, int flags)",
    ),
    truncate: library.func("int truncate(const char *path, long bytes)"),
    mknod: library.func("int mknod(const char *path, unsigned int mode, unsigned long device)"),
    socket: library.func("int socket(int domain, int type, int protocol)"),
    bind: library.func("int bind(int socket, const uint8_t *address, unsigned int bytes)"),
    mount: library.func(
      "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
    ),
    umount2: library.func("int umount2(const char *target, int flags)"),
    ioctl: library.func("int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)"),
    ioctlNumber: library.func("int ioctl(int fd, unsigned long request, long argument)"),
    strdup: library.func("void *strdup(const char *text)"),
    syscall3: library.func("long syscall(long number, long a, long b, long c)"),
    syscallList: library.func("long syscall(long number, long count, const uint8_t *list)"),
    syscallBuffer: library.func(
      "long syscall(long number, long fd, _Out_ uint8_t *buffer, size_t bytes)",
    ),
  };
}
