/** How a command ended, in words. */
import type { Outcome } from "./target.ts";
import { printable } from "./verdict.ts";

/** "was killed by SIGSEGV: last words", for sentences about a program. */
export function endText(outcome: Outcome): string {
  const { exitCode, signal, timedOut, stderr } = outcome;
  const last = stderr.toString("utf8").trim().split("\n").at(-1) ?? "";
  const words = last === "" ? "" : `: ${printable(last)}`;
  if (timedOut) return `took too long${words}`;
  return signal === null ? `ended with ${exitCode}${words}` : `was killed by ${signal}${words}`;
}
