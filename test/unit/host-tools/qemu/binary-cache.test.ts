import { appendFile, chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter } from "node:path";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { QEMU_PROGRAM } from "../../../../host-tools/qemu/binary.ts";
import { cachedQemu } from "../../../../host-tools/qemu/binary-cache.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("qemu binary cache");

interface StandIn {
  readonly cache: string;
  /** How often it was asked for its version. */
  asked(): Promise<number>;
  change(version: string): Promise<void>;
}

/** Has a script in QEMU's place that counts its starts. */
async function withStandIn(
  body: (standIn: StandIn, folder: TemporaryFolder) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const path = folder.file(QEMU_PROGRAM);
  const count = folder.file("count");
  const change = async (version: string): Promise<void> => {
    const lines = ["#!/bin/sh", `echo x >> ${count}`, `echo "QEMU emulator version ${version}"`];
    await writeFile(path, `${lines.join("\n")}\n`);
    await chmod(path, 0o755);
  };
  await change("7.2.22 (test)");
  const before = process.env["PATH"];
  process.env["PATH"] = [folder.path, before].join(delimiter);
  try {
    const asked = async (): Promise<number> =>
      (await readFile(count, "utf8").catch(() => "")).length / 2;
    await body({ cache: folder.file("cache"), asked, change }, folder);
  } finally {
    process.env["PATH"] = before;
  }
}

test("asks once", async () => {
  await withStandIn(async ({ cache, asked }) => {
    const first = await cachedQemu(cache);
    assert.is(first.version, "7.2.22 (test)");
    assert.equal(await cachedQemu(cache), first);
    assert.is(await asked(), 1);
  });
});

test("asks again when the file has changed", async () => {
  await withStandIn(async ({ cache, asked, change }) => {
    await cachedQemu(cache);
    await change("8.0.0 (a longer name)");
    assert.is((await cachedQemu(cache)).major, 8);
    assert.is(await asked(), 2);
  });
});

test("a damaged answer is no answer", async () => {
  await withStandIn(async ({ cache, asked }) => {
    await cachedQemu(cache);
    await writeFile(`${cache}/qemu-version.json`, '{"key":');
    assert.is((await cachedQemu(cache)).major, 7);
    assert.is(await asked(), 2);
  });
});

test("a cache that cannot be written costs time, nothing else", async () => {
  await withStandIn(async ({ asked }, folder) => {
    await writeFile(folder.file("file"), "");
    const cache = folder.file("file/cache");
    assert.is((await cachedQemu(cache)).major, 7);
    assert.is((await cachedQemu(cache)).major, 7);
    assert.is(await asked(), 2);
  });
});

test("a QEMU that is too old is refused every time", async () => {
  await withStandIn(async ({ cache, change, asked }, folder) => {
    await change("5.2.0");
    await mkdir(cache);
    await appendFile(folder.file("count"), "");
    for (const expected of [1, 2]) {
      const error = await cachedQemu(cache).catch((reason: unknown) => reason);
      assert.ok(error instanceof HostError && error.code === "WL_QEMU_UNAVAILABLE");
      assert.is(await asked(), expected);
    }
  });
});

test.run();
