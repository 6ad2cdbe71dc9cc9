/** Reads the kernel's log from /dev/kmsg (Documentation/ABI/testing/dev-kmsg). */
import { closeSync, constants, openSync, readSync } from "node:fs";

/** A record never exceeds this: CONSOLE_EXT_LOG_MAX of kernel/printk. */
const RECORD_BYTES = 8192;

/** Oldest line first, in dmesg(1)'s form: `[    0.123456] text`. */
export function readKernelLog(path = "/dev/kmsg"): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const lines: string[] = [];
  const buffer = Buffer.alloc(RECORD_BYTES);
  try {
    for (;;) {
      try {
        const length = readSync(fd, buffer);
        if (length === 0) break;
        lines.push(kernelLogLine(buffer.toString("utf8", 0, length)));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") break;
        if (code !== "EPIPE") throw error; // EPIPE: records were overwritten while we read; go on
      }
    }
  } finally {
    closeSync(fd);
  }
  return lines.join("");
}

/** `priority,sequence,microseconds,flags[,...];text\n` and continuation lines to be left out. */
export function kernelLogLine(record: string): string {
  const semicolon = record.indexOf(";");
  const microseconds = Number(record.slice(0, semicolon).split(",")[2] ?? 0);
  const text = record.slice(semicolon + 1).split("\n", 1)[0] ?? "";
  return `[${(microseconds / 1e6).toFixed(6).padStart(12)}] ${text}\n`;
}
