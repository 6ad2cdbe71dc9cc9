/** The helper is run for real, on this machine: it takes no more of its memory than it is told. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { trimHelperExecutable } from "../../../../image-builder/first-process/trim-helper.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("trim helper");

const MIB = 1024 * 1024;

/** Says how much memory the helper had, in KiB: getrusage(2) counts for children that have ended. */
const OTHER_SIDE = `
import resource, subprocess, sys
status = subprocess.run([sys.argv[1]]).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
`;

/** Free, and not merely to be had, as the helper looks at it. */
const freeMib = Number(/^MemFree: +(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) / 1024;

function withMemory(name: string, body: () => Promise<void>): void {
  if (freeMib > 256) test(name, body);
  else test.skip("256 MiB of free memory are missing", name);
}

withMemory("fills as much as it may, and gives it back by ending", async () => {
  const filled = async (mib: number): Promise<number> => {
    await using folder = await temporaryFolder();
    const path = folder.file("windlass-trim");
    await writeFile(path, trimHelperExecutable({ filledBytesMax: mib * MIB }), { mode: 0o755 });
    const { stdout, stderr } = spawnSync("python3", ["-c", OTHER_SIDE, path]);
    assert.is(stderr.toString(), "");
    const [status, kib] = stdout.toString().trim().split(" ").map(Number);
    assert.is(status, 0);
    return (kib ?? 0) / 1024;
  };
  const some = await filled(68);
  assert.ok(Math.abs((await filled(132)) - some - 64) < 4);
});

test.run();
