/** Stores that are full, read-only, damaged, shared, or left by builds that were killed. */
import { readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type BadHome, badHome, isRoot } from "./bad-home.ts";

let bad: BadHome;
let project: string;
const test = suite("bad input: store", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    bad = await badHome({ empty: true });
    project = await bad.project("one");
  },
  teardown: () => bad[Symbol.asyncDispose](),
});

const blobs = (): string => join(bad.home.folder, "data/blobs/sha256");
const imagesOf = async (): Promise<Record<string, string>> => {
  const { stdout } = await bad.run(["images", "--json"]);
  const views = JSON.parse(stdout) as { names: string[]; id: string }[];
  return Object.fromEntries(views.map(({ names, id }) => [names[0] ?? "", id]));
};

/** A build is interrupted when it says this: the project was walked, the kernel stored, the base begun. */
const STAGES = [/^manifest /m, /^project /m, /^kernel /m];

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`${name} in every stage of a build leaves nothing`, async () => {
    const status = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[name];
    for (const stage of STAGES) {
      const building = bad.start(["build", project]);
      await building.until(stage);
      if (stage === STAGES.at(-1)) await delay(300); // Into the compression of the base.
      const { exitCode, stderr } = await building.end(name);
      assert.is(exitCode, status, stderr);
      assert.not.match(stderr, /error/);
      assert.equal(await bad.remains(), []);
      assert.equal(await imagesOf(), {});
    }
  });
}

test("kill -9 in every stage of a build leaves only what prune removes", async () => {
  for (const stage of STAGES) {
    const building = bad.start(["build", project]);
    await building.until(stage);
    if (stage === STAGES.at(-1)) await delay(300);
    await building.end("SIGKILL");
    const pruned = await bad.run(["prune"]);
    assert.is(pruned.exitCode, 0, pruned.stderr);
    assert.equal(await readdir(blobs()).catch(() => []), []);
    const remains = await bad.remains();
    assert.equal(
      remains.filter((path) => !path.startsWith("tmp/")),
      [],
    );
  }
});

test("builds of the same project and of others at once", async () => {
  const other = await bad.project("other", { "index.js": "console.log(2)" });
  const builds = [project, project, other, project];
  // Killed builds may have left temporary files.
  const before = await bad.remains();
  const results = await Promise.all(builds.map((folder) => bad.run(["build", "-q", folder])));
  assert.equal(
    results.map(({ exitCode, stderr }) => [exitCode, stderr]),
    Array(4).fill([0, ""]),
  );
  const [one, two, three, four] = results.map(({ stdout }) => stdout.trim());
  assert.is(one, two);
  assert.is(one, four);
  assert.equal(await imagesOf(), { "one:latest": one, "other:latest": three });
  assert.equal(await bad.remains(), before);
});

if (isRoot) {
  // A mount namespace of its own: nobody else sees the mount, and it goes with the command.
  const mounted = (mount: string, at: string): readonly string[] => [
    ...["unshare", "-m", "sh", "-c", `${mount} && shift && exec "$@"`, "sh"],
    join(bad.home.folder, at),
  ];

  test("a disk that is full while a build writes to it", async () => {
    await bad.file("tiny/.mountpoint", "");
    const env = { WINDLASS_HOME: join(bad.home.folder, "tiny") };
    // Too small for the kernel, for the runtime's stripped copy, for the base.
    for (const sizeMib of [20, 60, 140]) {
      const wrapper = mounted(
        `mount -t tmpfs -o size=${sizeMib}m none "$1" && mkdir "$1/data" &&
         cp -r "$1/../data/kernels" "$1/data"`,
        "tiny",
      );
      const says = [/Cannot write \S+: the disk is full/, /Free space/];
      await bad.refuses(["build", project], says, { wrapper, env });
    }
  });

  test("a store that can only be read", async () => {
    const wrapper = mounted(`mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"`, "data");
    for (const args of [["build", project], ["run", "one"], ["rmi", "one"], ["prune"]]) {
      await bad.refuses(args, [/read-only file system/, /writable/], { wrapper });
    }
    assert.match((await bad.run(["images"], { wrapper })).stdout, /one:latest/);
    assert.is((await bad.run(["ps", "-a"], { wrapper })).exitCode, 0);
  });
} else {
  test.skip("only root can mount", "a disk that is full while a build writes to it");
  test.skip("only root can mount", "a store that can only be read");
}

test("a part that is cut off is found, and built again", async () => {
  const { stdout } = await bad.run(["image", "inspect", "one"]);
  const [{ config }] = JSON.parse(stdout);
  await truncate(join(blobs(), config.base.digest), 1_000_000);
  await bad.refuses(
    ["run", "one"],
    [/Cannot read part [0-9a-f]{12} of the image store/, /Build the image again/],
  );
  const again = await bad.run(["build", "-q", project]);
  assert.is(again.exitCode, 0, again.stderr);
  assert.is((await imagesOf())["one:latest"], again.stdout.trim());
  assert.is((await stat(join(blobs(), config.base.digest))).size, config.base.sizeBytes);
});

test("a configuration that is garbage is told from an image that is none", async () => {
  const id = (await imagesOf())["one:latest"] ?? "";
  await writeFile(join(blobs(), id), "garbage");
  await bad.refuses(
    ["run", "one"],
    [/The configuration of image "one" is damaged/, /Build it again/],
  );
  assert.equal(Object.keys(await imagesOf()), ["other:latest"]);
  assert.is((await bad.run(["build", "-q", project])).exitCode, 0);
  assert.equal(Object.keys(await imagesOf()), ["one:latest", "other:latest"]);
});

test("garbage among the names does not hide the images", async () => {
  await bad.file("data/names/bad%3Alatest", "garbage");
  await bad.file("data/names/%zz", "garbage");
  assert.equal(Object.keys(await imagesOf()), ["one:latest", "other:latest"]);
  await bad.refuses(["run", "bad"], [/image "bad"/]);
});

test("everything goes with rmi and prune", async () => {
  await rm(join(bad.home.folder, "data/names/bad%3Alatest"));
  assert.is((await bad.run(["rmi", "one", "other"])).exitCode, 0);
  assert.is((await bad.run(["prune"])).exitCode, 0);
  assert.equal(await readdir(blobs()), []);
  assert.equal(
    (await bad.remains()).filter((path) => !path.startsWith("tmp/")),
    [],
  );
});

test.run();
