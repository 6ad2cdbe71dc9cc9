/**
 * Free memory given back before the machine is saved: the host keeps nothing for pages of zeros. What the kernel keeps
 * of files goes first, for it can be read again; pages that programs have mapped stay.
 */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Procfs } from "./procfs.ts";

const HELPER = "/sbin/windlass-trim";
const WAKE_HELPER = "/sbin/windlass-wake";
/** Documentation/admin-guide/sysctl/vm.rst: the page cache. */
const PAGE_CACHE = "1";

const run = promisify(execFile);

/** @returns how many bytes are free now; what was free and in use before is zeros */
export async function trimMemory({
  procRoot,
  signal,
}: {
  procRoot: string;
  signal: AbortSignal;
}): Promise<number> {
  writeFileSync(join(procRoot, "sys/vm/drop_caches"), PAGE_CACHE);
  await run(HELPER, { signal }).catch((error: { readonly signal?: string }) => {
    signal.throwIfAborted();
    // Somebody needed the memory, and the kernel ended it first.
    if (error.signal !== "SIGKILL") throw error;
  });
  readFileSync(WAKE_HELPER); // The next thing that is started, while somebody waits.
  return new Procfs(procRoot).memory().freeBytes;
}
