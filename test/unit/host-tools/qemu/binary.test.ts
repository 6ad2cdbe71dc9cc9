import { chmod, mkdir, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { findQemu, QEMU_PROGRAM, type QemuBinary } from "../../../../host-tools/qemu/binary.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("qemu binary");

/** A stand-in for QEMU: a shell script of that name. */
async function standIn(folder: TemporaryFolder, script: string): Promise<void> {
  await writeFile(folder.file(QEMU_PROGRAM), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

async function unavailable(work: Promise<QemuBinary>): Promise<HostError> {
  const error = await work.then(
    () => assert.unreachable("found a QEMU"),
    (caught) => caught,
  );
  assert.ok(error instanceof HostError && error.code === "WL_QEMU_UNAVAILABLE", String(error));
  assert.ok(error.facts.next);
  return error;
}

test("finds the first executable of PATH and its version", async ({ signal }) => {
  await using folder = await temporaryFolder();
  await using other = await temporaryFolder();
  await standIn(folder, 'echo "QEMU emulator version 8.2.1 (Debian 1:8.2.1+ds)"; echo Copyright');
  await mkdir(other.file(QEMU_PROGRAM));
  const searchPath = `.::${other.path}:/nowhere:${folder.path}:/usr/bin`;
  assert.equal(await findQemu({ searchPath, signal }), {
    path: folder.file(QEMU_PROGRAM),
    version: "8.2.1 (Debian 1:8.2.1+ds)",
    major: 8,
    minor: 2,
    micro: 1,
  });
});

test("says how to install it when it is missing", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const error = await unavailable(findQemu({ searchPath: folder.path, signal }));
  assert.match(error.message, QEMU_PROGRAM);
  assert.match(error.facts.next ?? "", "apt-get install qemu-system-x86");
});

test("passes over a file that is not executable", async ({ signal }) => {
  await using folder = await temporaryFolder();
  await standIn(folder, "true");
  await chmod(folder.file(QEMU_PROGRAM), 0o644);
  await unavailable(findQemu({ searchPath: folder.path, signal }));
});

test("does not wait for a QEMU that hangs", async ({ signal }) => {
  await using folder = await temporaryFolder();
  await standIn(folder, "exec sleep 1000");
  const error = await unavailable(findQemu({ searchPath: folder.path, signal, timeoutMs: 50 }));
  assert.match(error.message, "no version in 50 ms");
});

test("stops asking when the signal is aborted", async () => {
  await using folder = await temporaryFolder();
  await standIn(folder, "exec sleep 1000");
  const reason = new Error("enough");
  const controller = new AbortController();
  const search = findQemu({ searchPath: folder.path, signal: controller.signal });
  setImmediate(() => controller.abort(reason));
  assert.is(await search.catch((error) => error), reason);
});

for (const [what, script, words] of [
  ["fails", "echo broken >&2; exit 3", "broken"],
  ["is something else", "echo hello", "hello"],
  ["is too old", 'echo "QEMU emulator version 5.2.0 (Debian)"', "older than 7.0"],
] as const) {
  test(`refuses a QEMU that ${what}`, async ({ signal }) => {
    await using folder = await temporaryFolder();
    await standIn(folder, script);
    const error = await unavailable(findQemu({ searchPath: folder.path, signal }));
    assert.match(error.message, words);
  });
}

test.run();
