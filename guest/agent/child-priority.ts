/** What a child process must not inherit from the agent, which is dearer to the machine than they are. */
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";

/**
 * Makes a child as likely to be ended for memory, and as likely to get the CPU, as any program. To be
 * called right after the start, before the child has children of its own. Never throws: it may have ended.
 */
export function takePrivilegesFrom(procRoot: string, pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    writeFileSync(join(procRoot, String(pid), "oom_score_adj"), "0");
    setPriority(pid, 0);
  } catch {
    // Without the privilege to raise a priority, or without the process, there is nothing to take.
  }
}
