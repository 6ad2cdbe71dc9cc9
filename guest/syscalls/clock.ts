/** The wall clock: adjtimex(2). */
import { type NativeLibrary, systemCallError } from "./koffi.ts";

/** struct timex (x86-64): modes u32 at 0, time (seconds, nanoseconds) at 72. */
const TIMEX_BYTES = 208;
const TIMEX_TIME_OFFSET = 72;
/** ADJ_SETOFFSET | ADJ_NANO */
const ADD_NANOSECONDS = 0x2100;

export interface Clock {
  /** What the host says has passed while the machine stood still; may be negative. */
  advance(milliseconds: number): void;
}

export function wallClock(native: NativeLibrary): Clock {
  const adjtimex = native.libc.func("int adjtimex(void *timex)");
  return {
    advance(milliseconds) {
      const timex = Buffer.alloc(TIMEX_BYTES);
      timex.writeUInt32LE(ADD_NANOSECONDS, 0);
      timespec(milliseconds).copy(timex, TIMEX_TIME_OFFSET);
      if (adjtimex(timex) >= 0) return;
      throw systemCallError("adjtimex", native.errno(), "set the clock");
    },
  };
}

/** Seconds (rounded down) and nanoseconds (never negative), 64 bits each. */
function timespec(milliseconds: number): Buffer {
  const bytes = Buffer.alloc(16);
  const nanoseconds = BigInt(Math.round(milliseconds * 1e6));
  const billion = 1_000_000_000n;
  const rest = ((nanoseconds % billion) + billion) % billion;
  bytes.writeBigInt64LE((nanoseconds - rest) / billion, 0);
  bytes.writeBigInt64LE(rest, 8);
  return bytes;
}
