/** Pseudo terminals: pty(7), ioctl_tty(2). */
import { closeSync, constants, openSync } from "node:fs";
import type { Pty } from "../agent/guest-system.ts";
import { type NativeLibrary, systemCallError } from "./koffi.ts";

const TIOCSWINSZ = 0x5414;
const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;

/** struct winsize: rows, columns, and two unused pixel sizes, u16 each. */
function windowSize(columns: number, rows: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  return size;
}

export function pseudoTerminals(native: NativeLibrary): (columns: number, rows: number) => Pty {
  const ioctl = native.libc.func("int ioctl(int fd, unsigned long request, void *argument)");
  return (columns, rows) => {
    const masterFd = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
    const call = (request: number, argument: Buffer, what: string): void => {
      if (ioctl(masterFd, request, argument) !== 0) {
        throw systemCallError("ioctl", native.errno(), what);
      }
    };
    try {
      call(TIOCSPTLCK, Buffer.alloc(4), "unlock the pseudo terminal");
      const number = Buffer.alloc(4);
      call(TIOCGPTN, number, "ask the pseudo terminal's number");
      const resize = (width: number, height: number): void =>
        call(TIOCSWINSZ, windowSize(width, height), "resize the pseudo terminal");
      resize(columns, rows);
      return { masterFd, slavePath: `/dev/pts/${number.readUInt32LE(0)}`, resize };
    } catch (error) {
      closeSync(masterFd);
      throw error;
    }
  };
}
