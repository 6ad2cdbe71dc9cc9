/** Exit statuses as a shell has them: 128 + n for a signal (POSIX 2.8.2 leaves it open, all shells agree). */
import { signalNumber } from "../../guest/api/signal.ts";

/** 137 for "SIGKILL"; 128 for a name this system does not know. */
export function signalStatus(name: string): number {
  return 128 + (signalNumber(name) ?? 0);
}
