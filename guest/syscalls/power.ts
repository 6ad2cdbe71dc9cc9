/** Restarting the machine: reboot(2). Powering off is process 1's business: the agent just ends. */
import type { NativeLibrary } from "./koffi.ts";

const MAGIC1 = 0xfee1dead | 0;
const MAGIC2 = 672274793;
const RESTART = 0x01234567;

export function restartMachine(native: NativeLibrary): void {
  native.libc.func("void sync(void)")();
  native.libc.func("long syscall(long number, int a, int b, unsigned int c, void *d)")(
    169,
    MAGIC1,
    MAGIC2,
    RESTART,
    null,
  );
}
