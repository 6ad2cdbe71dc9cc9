/** The helper is run for real; changing one's user takes root. */
import { spawnSync } from "node:child_process";
import { chmod, open, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { credentialsBytes, GROUPS_MAX } from "../../../../guest/api/credentials.ts";
import { userHelperExecutable } from "../../../../image-builder/first-process/user-helper.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("user helper");

const isRoot = process.getuid?.() === 0;

function asRoot(name: string, body: () => Promise<void>): void {
  if (isRoot) test(name, body);
  else test.skip("only root may become another user", name);
}

interface Run {
  readonly status: number | null;
  readonly text: string;
  readonly complaint: string;
}

async function run(credentials: Uint8Array, argv: readonly string[]): Promise<Run> {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const [helper, path] = [folder.file("windlass-user"), folder.file("credentials")];
  await writeFile(helper, userHelperExecutable(), { mode: 0o755 });
  await writeFile(path, credentials, { mode: 0o600 });
  await using file = await open(path);
  const env = { WINDLASS_TEST: "value = 1", PATH: "/usr/bin:/bin" };
  const [program = ""] = argv;
  const { status, stdout, stderr } = spawnSync(helper, [program, ...argv], {
    ...{ env, cwd: "/usr", stdio: ["ignore", "pipe", "pipe", file.fd] },
  });
  return { status, text: String(stdout), complaint: String(stderr) };
}

asRoot("the program has user, group and all groups, and cannot go back", async () => {
  const credentials = credentialsBytes({ uid: 4242, gid: 4343, groups: [29, 44, 4_294_967_294] });
  const ids = "^(Uid|Gid|Groups|CapEff):";
  const { status, text } = await run(credentials, ["/bin/grep", "-E", ids, "/proc/self/status"]);
  assert.is(status, 0);
  const same = (id: number): string => Array(4).fill(id).join("\t");
  assert.equal(text.trimEnd().split(/\s*\n/), [
    `Uid:\t${same(4242)}`,
    `Gid:\t${same(4343)}`,
    "Groups:\t29 44 4294967294",
    "CapEff:\t0000000000000000",
  ]);
});

asRoot("as many groups as there may be", async () => {
  const groups = Array.from({ length: GROUPS_MAX }, (_, index) => 5000 + index);
  const credentials = credentialsBytes({ uid: 1, gid: 2, groups });
  const { text } = await run(credentials, ["/usr/bin/id", "-G"]);
  assert.equal(text.trim().split(" ").map(Number), [2, ...groups]);
});

asRoot(
  "arguments, environment, folder and exit status are passed on; not the credentials",
  async () => {
    const credentials = credentialsBytes({ uid: 65534, gid: 65534, groups: [29] });
    const script =
      'printf "%s|" "$0" "$@"; printf "%s " "$WINDLASS_TEST" "$PWD" $(readlink /proc/$$/fd/*); exit 42';
    const { status, text } = await run(credentials, ["/bin/sh", "-c", script, "zero", "", "a b"]);
    assert.match(text, /^zero\|\|a b\|value = 1 \/usr /);
    assert.not.match(text, "credentials");
    assert.is(status, 42);
  },
);

asRoot("what cannot be started is 127, and said", async () => {
  const { status, complaint } = await run(credentialsBytes({ uid: 1, gid: 1, groups: [29] }), [
    "/nowhere",
  ]);
  assert.is(status, 127);
  assert.match(complaint, "the program cannot be started");
});

test("numbers that no user or group can have are no credentials", () => {
  const bad = [2 ** 32 - 1, 2 ** 32, -1, 1.5, Number.NaN];
  for (const id of bad) {
    assert.throws(() => credentialsBytes({ uid: id, gid: 1, groups: [] }), RangeError);
    assert.throws(() => credentialsBytes({ uid: 1, gid: 1, groups: [id] }), RangeError);
  }
});

test("without whole credentials nothing is started", async () => {
  const whole = credentialsBytes({ uid: 1, gid: 1, groups: [] });
  const started = ["/bin/echo", "started"];
  const short = credentialsBytes({ uid: 1, gid: 1, groups: [29, 44] }).subarray(0, -4);
  const tooMany = Buffer.from(whole);
  tooMany.writeBigUInt64LE(65_537n, 16); // NGROUPS_MAX is 65,536.
  for (const credentials of [Buffer.alloc(0), whole.subarray(0, 31), short, tooMany]) {
    const { status, text, complaint } = await run(credentials, started);
    assert.equal({ status, text }, { status: 127, text: "" });
    assert.match(complaint, "cannot become the program's user");
  }
});

test.run();
