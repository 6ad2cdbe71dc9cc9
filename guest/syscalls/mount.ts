/** mount(2) and umount2(2). */
import { getSystemErrorName } from "node:util";
import type { NativeLibrary } from "./koffi.ts";

/** include/uapi/linux/mount.h */
export const MS_NOATIME = 1024;

export interface MountRequest {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly flags: number;
  /** Options of the file system, with commas between them. */
  readonly data: string;
}

/** What the kernel refuses is an error with `code` ("EBUSY"). */
export interface MountTable {
  mount(request: MountRequest): void;
  unmount(target: string): void;
}

export function mountTable(native: NativeLibrary): MountTable {
  const mount = native.libc.func(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
  );
  const umount2 = native.libc.func("int umount2(const char *target, int flags)");
  const check = (result: number, call: string, target: string): void => {
    if (result === 0) return;
    const errno = native.errno();
    const code = getSystemErrorName(-errno);
    throw Object.assign(new Error(`${call} ${target}: ${code}`), { code, errno, syscall: call });
  };
  return {
    mount({ source, target, type, flags, data }) {
      check(mount(source, target, type, flags, data), "mount", target);
    },
    unmount(target) {
      check(umount2(target, 0), "umount2", target);
    },
  };
}
