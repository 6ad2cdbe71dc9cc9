/** What e2fsck says of a scratch disk. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { temporaryFolder } from "./temporary-folder.ts";

const run = promisify(execFile);

/**
 * Of a disk at rest.
 *
 * @param path qcow2
 * @param force "-f" has it look at everything
 * @returns its summary; a file system with anything to repair is a failure
 */
export async function fileSystemCheck(path: string, ...force: string[]): Promise<string> {
  await using folder = await temporaryFolder();
  const raw = folder.file("flat.raw");
  await run("qemu-img", ["convert", "-O", "raw", path, raw]);
  const { stdout, stderr } = await run("e2fsck", ["-n", ...force, raw]);
  assert.not.match(stdout + stderr, /journal/); // There is nothing to recover: it was unmounted.
  return stdout;
}
