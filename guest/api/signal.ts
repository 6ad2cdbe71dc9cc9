/** Signals by name, also the real-time ones, which Node has no names for: signal(7). */
import { constants } from "node:os";

/** glibc's and musl's; the kernel's first two are their own. */
const RTMIN = 34;
const RTMAX = 64;
const REAL_TIME = /^SIGRT(?:MIN(?:\+(\d{1,2}))?|MAX(?:-(\d{1,2}))?)$/;

/** "SIGTERM", "SIGRTMIN+3": which name is one, `signalNumber` says. */
export const SIGNAL_PATTERN = "^SIG[A-Z0-9]+([+-][0-9]{1,2})?$";

/** @returns undefined for what is no signal */
export function signalNumber(name: string): number | undefined {
  if (Object.hasOwn(constants.signals, name)) return constants.signals[name as NodeJS.Signals];
  const match = REAL_TIME.exec(name);
  if (!match) return undefined;
  const number = name.startsWith("SIGRTMIN")
    ? RTMIN + Number(match[1] ?? 0)
    : RTMAX - Number(match[2] ?? 0);
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}

/** @returns undefined for a number that is no signal */
export function signalName(number: number): string | undefined {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  if (known) return known[0];
  return number >= RTMIN && number <= RTMAX ? `SIGRTMIN+${number - RTMIN}` : undefined;
}
