import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, stat } from "node:fs/promises";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { lockFile, tryLockFile } from "../../../../image-builder/store/file-lock.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("file lock");

/** Another process that holds the lock until it is killed. */
async function otherHolder(path: string, signal: AbortSignal): Promise<ChildProcess> {
  const program = `
    const { lockFile } = await import(${JSON.stringify(
      new URL("../../../../image-builder/store/file-lock.ts", import.meta.url).href,
    )});
    globalThis.lock = await lockFile(${JSON.stringify(path)});
    process.stdout.write("locked");
    process.stdin.resume();
  `;
  const argv = ["--import", "tsx", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  const [text] = await once(child.stdout, "data", { signal });
  assert.is(String(text), "locked");
  return child;
}

async function refusal(work: Promise<unknown>): Promise<ImageError> {
  const error = await work.then(
    () => assert.unreachable("got the lock"),
    (caught) => caught,
  );
  assert.instance(error, ImageError);
  return error as ImageError;
}

test("one holder at a time; the next one gets it when it is given back", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  const first = await lockFile(path, { signal });
  assert.is(await tryLockFile(path, { signal }), undefined);
  const second = lockFile(path, { signal });
  await first.close();
  await using lock = await second;
  assert.is(lock.path, path);
  assert.is(await tryLockFile(path, { signal }), undefined);
});

test("many share, one excludes", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  const readers = await Promise.all([1, 2, 3].map(() => lockFile(path, { shared: true, signal })));
  assert.is(await tryLockFile(path, { signal }), undefined);
  for (const reader of readers) await reader.close();
  await using writer = await tryLockFile(path, { signal });
  assert.ok(writer);
  assert.is(await tryLockFile(path, { shared: true, signal }), undefined);
});

test("a holder that is killed gives the lock back", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  const holder = await otherHolder(path, signal);
  try {
    assert.is(await tryLockFile(path, { signal }), undefined);
    const mine = lockFile(path, { signal });
    holder.kill("SIGKILL");
    await (await mine).close();
  } finally {
    holder.kill("SIGKILL");
  }
});

test("a child that inherits the descriptor keeps the lock", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  const lock = await lockFile(path, { signal });
  const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore", lock.fd] });
  await once(child, "spawn");
  await lock.close();
  assert.is(await tryLockFile(path, { signal }), undefined);
  child.stdin?.end();
  await (await lockFile(path, { signal })).close();
});

test("does not wait when told so, or longer than told", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  await using held = await lockFile(path, { signal });
  assert.ok(held);
  for (const options of [{ wait: false }, { timeoutMs: 20 }]) {
    const error = await refusal(lockFile(path, { ...options, signal }));
    assert.is(error.code, "WL_IMAGE_STORE");
    assert.match(error.message, "held by another");
    assert.is(error.facts.file, path);
  }
});

test("an aborted wait leaves the lock to others", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  const held = await lockFile(path, { signal });
  const controller = new AbortController();
  const waiting = lockFile(path, { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  assert.is(await waiting.catch((error) => error), reason);
  await held.close();
  await using next = await tryLockFile(path, { signal });
  assert.ok(next);
});

test("does not start for a signal that is aborted already", async () => {
  const reason = new Error("before");
  const work = lockFile("/nowhere/lock", { signal: AbortSignal.abort(reason) });
  assert.is(await work.catch((error) => error), reason);
});

test("a waiter is not fooled by a lock file that was removed", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  const first = await lockFile(path, { signal });
  const second = lockFile(path, { signal });
  await rm(path);
  await first.close();
  await using lock = await second;
  assert.ok((await stat(path)).isFile());
  assert.is(await tryLockFile(lock.path, { signal }), undefined);
});

test("the lock file is private and stays", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("lock");
  const lock = await lockFile(path, { signal });
  await lock.close();
  await lock.close();
  assert.is((await stat(path)).mode & 0o077, 0);
});

test("says which folder is missing", async ({ signal }) => {
  const error = await refusal(lockFile("/nowhere/lock", { signal }));
  assert.is(error.code, "WL_IMAGE_IO");
  assert.match(error.message, "/nowhere/lock");
});

test("says so when flock(1), which waits, is missing", async ({ signal }) => {
  await using folder = await temporaryFolder();
  await using _held = await lockFile(folder.file("lock"), { signal });
  const path = process.env["PATH"];
  process.env["PATH"] = folder.path;
  try {
    const error = await refusal(lockFile(folder.file("lock"), { signal }));
    assert.is(error.code, "WL_IMAGE_IO");
    assert.match(error.facts.next ?? "", "util-linux");
  } finally {
    process.env["PATH"] = path;
  }
});

test.run();
