/** The steps of a stop in words. Pure. */
import type { StopStep } from "../instance/stop.ts";
import { printableLine } from "./printable-text.ts";
import { elapsedText } from "./quantity-text.ts";

const WORDS: Record<StopStep["step"], string> = {
  program: "asking the program to end",
  poweroff: "asking the guest to power off",
  quit: "telling QEMU to quit",
  SIGTERM: "SIGTERM to QEMU",
  SIGKILL: "SIGKILL to QEMU",
};

/** A line about a step that had a problem, or that goes beyond what a stop normally takes. */
export function stepNote({ step, ended, durationMs, problem }: StopStep): string | undefined {
  const isUsual = step === "program" || step === "poweroff";
  if (isUsual && problem === undefined) return undefined;
  const outcome = problem === undefined ? (ended ? "ended it" : "did not end it") : problem;
  return `stop: ${WORDS[step]}: ${printableLine(outcome)} (${elapsedText(durationMs)})`;
}
