/** Exit statuses as a shell has them: 128 + n for a signal (POSIX 2.8.2 leaves it open, all shells agree). */
import { constants } from "node:os";

/** 9 for "SIGKILL"; 0 for a name this system does not know. */
export function signalNumber(name: string): number {
  return (constants.signals as Readonly<Record<string, number>>)[name] ?? 0;
}
