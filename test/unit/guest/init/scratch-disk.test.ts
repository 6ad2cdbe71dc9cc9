/** The scratch disk over a mount table that is made up; real mounts are test/integration/scratch.test.ts. */
import { statSync, writeFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { ScratchDisk } from "../../../../guest/init/scratch-disk.ts";
import type { MountRequest } from "../../../../guest/syscalls/mount.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("scratch disk");

interface Fixture {
  readonly disk: ScratchDisk;
  readonly path: string;
  readonly mounts: MountRequest[];
  /** "unmount", "killAll" and "sleep", in order. */
  readonly calls: string[];
  readonly notices: string[];
}

const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** @param refusals codes of the unmounts that fail, before one succeeds */
function fixture(
  folder: TemporaryFolder,
  options: { mountFails?: string; refusals?: string[]; path?: string } = {},
): Fixture {
  const path = options.path ?? folder.file("deep/scratch");
  const mounts: MountRequest[] = [];
  const calls: string[] = [];
  const notices: string[] = [];
  const refusals = [...(options.refusals ?? [])];
  const disk = new ScratchDisk({
    path,
    table: {
      mount(request) {
        mounts.push(request);
        if (options.mountFails !== undefined) throw failure(options.mountFails);
      },
      unmount() {
        calls.push("unmount");
        const code = refusals.shift();
        if (code !== undefined) throw failure(code);
      },
    },
    owner: () => ({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
    notice: (level, text) => void notices.push(`${level}: ${text}`),
    killAll: () => void calls.push("killAll"),
    sleep: () => void calls.push("sleep"),
  });
  return { disk, path, mounts, calls, notices };
}

test("it is mounted once, in a folder that is made", async () => {
  await using folder = await temporaryFolder();
  const { disk, path, mounts, notices } = fixture(folder);
  disk.mount();
  disk.mount();
  assert.equal(mounts, [
    { source: "/dev/vdc", target: path, type: "ext4", flags: 1024, data: "discard" },
  ]);
  assert.ok(statSync(path).isDirectory());
  assert.equal(notices, []);
});

test("what hinders the mount is said in words, and it is tried again when asked", async () => {
  await using folder = await temporaryFolder();
  for (const [code, words] of [
    ["ENODEV", "the kernel has no ext4 (ENODEV)"],
    ["EINVAL", "what is on it is no ext4 file system (EINVAL)"],
    ["ENOENT", "the machine has no such disk (ENOENT)"],
    ["EMFILE", "EMFILE"],
  ] as const) {
    const { disk, path, mounts, notices } = fixture(folder, { mountFails: code });
    const text = `Cannot mount the scratch disk at "${path}": ${words}`;
    for (let attempt = 0; attempt < 2; attempt += 1) {
      assert.throws(
        () => disk.mount(),
        (error: Error) => error.message === text,
      );
    }
    assert.is(mounts.length, 2);
    assert.equal(notices, [`error: ${text}`, `error: ${text}`]);
  }
});

test("a path below a file cannot be used", async () => {
  await using folder = await temporaryFolder();
  writeFileSync(folder.file("file"), "");
  const below = fixture(folder, { path: folder.file("file/scratch") });
  assert.throws(() => below.disk.mount(), /a part of the path is a file \(ENOTDIR\)/);
  const on = fixture(folder, { path: folder.file("file") });
  assert.throws(() => on.disk.mount(), /the path is a file \(EEXIST\)/);
  assert.equal([...below.mounts, ...on.mounts], []);
});

test("it is unmounted once, and only if it is mounted", async () => {
  await using folder = await temporaryFolder();
  const { disk, calls } = fixture(folder);
  disk.unmount();
  assert.equal(calls, []);
  disk.mount();
  disk.unmount();
  disk.unmount();
  assert.equal(calls, ["unmount"]);
});

test("who keeps it in use at the end is ended", async () => {
  await using folder = await temporaryFolder();
  const { disk, calls, notices } = fixture(folder, { refusals: ["EBUSY", "EBUSY"] });
  disk.mount();
  disk.unmount();
  assert.equal(calls, ["unmount", "killAll", "sleep", "unmount", "sleep", "unmount"]);
  assert.equal(notices, []);
});

test("the end does not wait for ever", async () => {
  await using folder = await temporaryFolder();
  const busy = fixture(folder, { refusals: Array(1000).fill("EBUSY") });
  busy.disk.mount();
  busy.disk.unmount();
  assert.is(busy.calls.filter((call) => call === "sleep").length, 100);
  assert.equal(busy.notices, ["warning: the scratch disk was not unmounted: EBUSY"]);
  const broken = fixture(folder, { refusals: ["EIO"] });
  broken.disk.mount();
  broken.disk.unmount();
  assert.equal(broken.notices, ["warning: the scratch disk was not unmounted: EIO"]);
});

test.run();
