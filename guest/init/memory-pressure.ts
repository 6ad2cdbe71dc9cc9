/**
 * Ends a program that needs more memory than there is, instead of letting the machine crawl. There is no
 * swap: under pressure the kernel gives up the pages of executables, reads them again, and for minutes
 * neither the agent answers nor the out-of-memory killer acts.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What was used within this time stays in memory; when it cannot, something is killed. */
const WORKING_SET_MS = 1000;

/**
 * Documentation/admin-guide/mm/multigen_lru.rst, "Thrashing prevention".
 * @returns false on a kernel without it
 */
export function preventThrashing(sysRoot = "/sys"): boolean {
  try {
    writeFileSync(join(sysRoot, "kernel/mm/lru_gen/enabled"), "y", { flag: "r+" });
    writeFileSync(join(sysRoot, "kernel/mm/lru_gen/min_ttl_ms"), `${WORKING_SET_MS}`, {
      flag: "r+",
    });
    return true;
  } catch {
    return false;
  }
}
