/** How much of the CPU the agent gets, beside the program. */
import { readdirSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";

/**
 * For every thread there is, since setpriority(2) is about one; and for the session, whose priority is what counts
 * where the kernel groups processes by sessions (sched(7), autogroup).
 *
 * @param nice -20 to 19
 */
export function setAgentPriority(nice: number): void {
  for (const thread of readdirSync("/proc/self/task")) setPriority(Number(thread), nice);
  try {
    writeFileSync("/proc/self/autogroup", String(nice), { flag: "r+" });
  } catch {
    // A kernel without such groups.
  }
}
