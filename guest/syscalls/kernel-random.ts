/** The kernel's random numbers: random(4). */
import { closeSync, openSync, writeSync } from "node:fs";
import { type NativeLibrary, systemCallError } from "./koffi.ts";

/** include/uapi/linux/random.h */
const RNDRESEEDCRNG = 0x5207;

/** Mixes bytes in and has every number from now on depend on them. @throws when the kernel refuses */
export function reseedKernel(native: NativeLibrary, entropy: Uint8Array): void {
  const ioctl = native.libc.func("int ioctl(int fd, unsigned long request, long argument)");
  const fd = openSync("/dev/urandom", "r+");
  try {
    writeSync(fd, entropy);
    if (ioctl(fd, RNDRESEEDCRNG, 0) === 0) return;
    throw systemCallError("ioctl", native.errno(), "reseed the kernel's random numbers");
  } finally {
    closeSync(fd);
  }
}
