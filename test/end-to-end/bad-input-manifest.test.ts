/** Projects and manifests that cannot be built, and command lines that cannot be understood. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmod, mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { AS_NOBODY, type BadHome, badHome, isRoot } from "./bad-home.ts";

let bad: BadHome;
const test = suite("bad input: manifest", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    bad = await badHome();
  },
  teardown: () => bad[Symbol.asyncDispose](),
});

test("no package.json, no folder, no entry", async () => {
  await mkdir(join(bad.home.folder, "projects/empty"), { recursive: true });
  await bad.refuses(
    ["build", "projects/empty"],
    [/There is no package\.json in \S+empty/, /windlass init/],
  );
  await bad.refuses(["run", "projects/empty"], [/There is no package\.json/]);
  await bad.refuses(["build", "projects/nowhere"], [/There is no folder \S+nowhere/]);
  const folder = await bad.project("entryless");
  await rm(join(folder, "index.js"));
  await bad.refuses(["build", folder], [/No entry point in/, /Set "main"/]);
  const wanting = await bad.project("wanting", { "windlass.yaml": "name: x\nentry: dist/a.js\n" });
  await bad.refuses(["build", wanting], [/missing file: dist\/a\.js/, /line 2, column 8/]);
});

const broken: readonly (readonly [string, Readonly<Record<string, string>>, readonly RegExp[]])[] =
  [
    [
      "broken JSON",
      { "package.json": '{\n  "name": "x",\n  "main": "a.js",,\n}\n' },
      [/package\.json: the JSON is broken/, /line 3, column 18/],
    ],
    [
      "JSON that is no object",
      { "package.json": "[]" },
      [/must hold a JSON object/, /line 1, column 1/],
    ],
    [
      "broken YAML",
      { "windlass.yaml": "name: x\nenv:\n  A: [1, 2\nports: 3\n" },
      [/windlass\.yaml: the YAML is broken/, /line 4, column 1/],
    ],
    [
      "broken windlass.json",
      { "windlass.json": '{"name": "x"\n "memory": 1}\n' },
      [/windlass\.json: the JSON is broken/, /line 2, column 2/],
    ],
    [
      "broken TypeScript",
      { "windlass.config.ts": 'export default {\n name: "x" }}\n' },
      [/windlass\.config\.ts:2:12/],
    ],
    [
      "a configuration that throws",
      { "windlass.config.ts": 'throw new Error("boo")' },
      [/Cannot evaluate \S+windlass\.config\.ts: Error: boo/],
    ],
    [
      "an unknown key in YAML",
      { "windlass.yaml": "name: x\nmemry: 12M\n" },
      [/Unknown key "memry"/, /line 2, column 1/, /next: Write "memory"/],
    ],
    [
      "an unknown key in JSON",
      { "windlass.json": '{"name": "x",\n "memry": 1}\n' },
      [/Unknown key "memry"/, /line 2, column 2/],
    ],
    [
      "an unknown key in TypeScript",
      { "windlass.config.ts": 'export default {\n name: "x",\n  memry: 1 }\n' },
      [/Unknown key "memry"/, /line 3, column 3/],
    ],
    [
      "too little memory for any machine",
      { "windlass.yaml": "memory: 12\n" },
      [/must be MiB \(32 or more\)/, /line 1, column 9/],
    ],
    [
      "two manifests",
      { "windlass.yaml": "name: x\n", "windlass.json": "{}" },
      [/both windlass\.yaml and windlass\.json/, /Keep one/],
    ],
    [
      "dependencies that are not installed",
      { "package.json": '{"name": "x", "dependencies": {"left-pad": "^1.0.0", "express": "4"}}' },
      [/missing from node_modules: express .*, left-pad/, /Run npm install/],
    ],
    [
      "a dependency of a dependency",
      {
        "package.json": '{"name": "x", "dependencies": {"a": "1"}}',
        "node_modules/a/package.json":
          '{"name": "a", "version": "1.0.0", "dependencies": {"b": "1"}}',
      },
      [/missing from node_modules: b \(needed by node_modules\/a\)/],
    ],
    [
      "a broken package",
      {
        "package.json": '{"name": "x", "dependencies": {"a": "1"}}',
        "node_modules/a/package.json": '{"name": "a",',
      },
      [/node_modules\/a\/package\.json: the JSON is broken/],
    ],
  ];
for (const [name, files, says] of broken) {
  test(name, async () => {
    const folder = await bad.project("broken", files);
    await bad.refuses(["build", folder], says);
  });
}

test("named pipes and folders in the place of files that are read", async () => {
  for (const name of ["package.json", "windlass.yaml", ".windlassignore", "package-lock.json"]) {
    const folder = await bad.project("piped");
    await rm(join(folder, name), { force: true });
    execFileSync("mkfifo", [join(folder, name)]);
    await bad.refuses(["build", folder], [/no regular file|a named pipe/, new RegExp(name)]);
    await rm(join(folder, name));
    await mkdir(join(folder, name));
    if (name !== "package-lock.json") await bad.refuses(["build", folder], [/no regular file/]);
  }
  const folder = await bad.project("dangling");
  await symlink("gone.yaml", join(folder, "windlass.yaml"));
  await bad.refuses(["build", folder], [/windlass\.yaml: it is a link that leads nowhere/]);
});

/** A checkout below a folder that only root enters, as /root is, is nothing that nobody can run. */
const othersMayRun = spawnSync("setpriv", [
  ...AS_NOBODY.slice(1),
  "test",
  "-r",
  import.meta.filename,
]);
if (isRoot && othersMayRun.status === 0) {
  test("files and folders that may not be read", async () => {
    await chmod(bad.home.folder, 0o755);
    const store = join(bad.home.folder, "of-nobody");
    await mkdir(store);
    execFileSync("chown", ["65534:65534", store]);
    const options = { wrapper: AS_NOBODY, env: { WINDLASS_HOME: store, XDG_RUNTIME_DIR: store } };
    for (const name of [
      "package.json",
      "windlass.yaml",
      ".windlassignore",
      "secret.txt",
      "index.js",
    ]) {
      const folder = await bad.project("private", { [name]: name === "package.json" ? "{}" : "" });
      await chmod(join(folder, name), 0);
      await bad.refuses(
        ["build", folder],
        [/Cannot read/, new RegExp(name), /permission denied/],
        options,
      );
    }
    const folder = await bad.project("private", { "inner/a.txt": "" });
    await chmod(join(folder, "inner"), 0o700);
    await bad.refuses(["build", folder], [/Cannot read \S+inner": permission denied/], options);
    await chmod(folder, 0o700);
    await bad.refuses(["build", folder], [/Cannot read \S+private\S*: permission denied/], options);
  });
} else {
  test.skip(
    "it takes root, and a checkout that other users may read",
    "files and folders that may not be read",
  );
}

const usage: readonly (readonly [readonly string[], RegExp])[] = [
  [["frobnicate"], /There is no command "frobnicate"/],
  [["--bogus"], /Unknown option "--bogus"/],
  [["run", "--bogus", "x"], /has no option "--bogus"/],
  [["run"], /needs an operand/],
  [["rm"], /needs an operand/],
  [["ps", "extra"], /takes no "extra"/],
  [["run", "-m", "abc", "x"], /no amount of memory/],
  [["run", "-m", "16", "x"], /cannot have 16 MiB/],
  [["run", "--cpus", "0", "x"], /needs a vCPU/],
  [["run", "-p", "99999:1", "x"], /no host port/],
  [["run", "-e", "=x", "x"], /no variable/],
  [["run", "--env-file", "/nope", "x"], /Cannot read "\/nope"/],
  [["run", "--restart", "sometimes", "x"], /no restart policy/],
  [["run", "--accelerator", "foo", "x"], /cannot be "foo"/],
  [["run", "--kernel", "/nope", "x"], /no kernel file/],
  [["run", "./nope"], /no folder and no executable ".\/nope"/],
  [["cp", "a", "b"], /One of SRC and DST/],
  [["kill", "-s", "SIGFOO", "x"], /no signal/],
  [["logs", "--since", "garbage", "x"], /no time/],
  [["completion", "tcsh"], /no completion for the shell/],
];
test("command lines that cannot be understood", async () => {
  for (const [args, says] of usage) await bad.refuses(args, [says], { exitCode: 2 });
});

test("unknown images, instances and kernels", async () => {
  const project = await bad.project("fine");
  const unknown: readonly (readonly [readonly string[], RegExp])[] = [
    [["run", "nosuch"], /no image "nosuch"/],
    [["rmi", "nosuch"], /no image "nosuch"/],
    [["image", "ls", "nosuch"], /no image "nosuch"/],
    [["image", "cat", "nosuch", "/x"], /no image "nosuch"/],
    [["image", "inspect", "nosuch"], /no image "nosuch"/],
    [["inspect", "nosuch"], /no instance or image "nosuch"/],
    [["kernel", "use", "nosuch"], /no such kernel/],
    [["build", "--kernel", "nosuch", project], /no such kernel/],
    [["build", "-t", "BAD NAME", project], /not an image name/],
    [["exec", "nosuch", "--", "ls"], /"nosuch"/],
    [["cp", "nosuch:/x", "y"], /"nosuch"/],
    [["api", "nosuch", "GET", "/"], /"nosuch"/],
  ];
  for (const [args, says] of unknown) await bad.refuses(args, [says]);
  for (const command of [
    "logs",
    "attach",
    "stop",
    "start",
    "restart",
    "kill",
    "rm",
    "wait",
    "top",
    "port",
  ]) {
    await bad.refuses([command, "nosuch"], [/Cannot find instance "nosuch"/, /windlass ps -a/]);
  }
});

test("nothing was ever made", async () => {
  assert.equal(await bad.remains(), []);
  assert.is((await bad.run(["images", "-q"])).stdout, "");
});

test.run();
