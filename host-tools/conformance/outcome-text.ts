/** How a command ended, in words. */
import type { Outcome } from "./target.ts";
import { printable } from "./verdict.ts";

/** "was killed by SIGSEGV: last words", for sentences about a program. */
export function endText(outcome: Outcome): string {
  const { exitCode, signal, timedOut, stderr } = outcome;
  const last = lastWords(stderr.toString("utf8"));
  const words = last === "" ? "" : `: ${printable(last)}`;
  if (timedOut) return `took too long${words}`;
  return signal === null ? `ended with ${exitCode}${words}` : `was killed by ${signal}${words}`;
}

/** The last line; of a JVM that died, the signal and the code in which it came, above its parting instructions. */
function lastWords(text: string): string {
  const lines = text.trim().split("\n");
  const found = lines.findIndex((line) => line.startsWith("# A fatal error has been detected by"));
  if (found < 0) return lines.at(-1) ?? "";
  const report = lines.slice(found);
  const cause = report.find((line) => line.startsWith("#  ")) ?? "";
  const frame = report[report.indexOf("# Problematic frame:") + 1] ?? "";
  return [cause, frame].map((line) => line.replace(/^#\s*/, "")).join(", in ");
}
