/**
 * Every way to link an executable, in one guest; and a program whose libraries only a traced run shows.
 */
import { execFile } from "node:child_process";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { run } from "../../host-tools/run.ts";
import { build } from "../../image-builder/build-image.ts";
import { ImageError } from "../../image-builder/errors.ts";
import { findTool } from "../../image-builder/runtimes/toolchain.ts";
import { readTraceLock } from "../../image-builder/runtimes/trace-lock.ts";
import { machineSuite, type Rig } from "../support/rig.ts";

const TOOLS = ["gcc", "musl-gcc", "python3", "strace"];
const absent = TOOLS.find((program) => findTool({ program }) === undefined);
let rig: Rig;

const test = await machineSuite("kinds of native programs", {
  missing: absent && `${absent} is not installed`,
  async setup(newRig) {
    rig = newRig;
  },
});

/** Runs an image to its end. */
async function outcome(image: string, signal: AbortSignal) {
  const { folders } = rig;
  await using instance = await run({ image, accelerator: "tcg", folders, signal });
  const { exitCode } = await instance.wait({ signal });
  let output = "";
  for await (const record of instance.logs()) if (record.kind === "output") output += record.text;
  return { exitCode, output };
}

async function compile(folder: string, words: readonly string[], signal: AbortSignal) {
  const [program = "", ...args] = words;
  await promisify(execFile)(program, args, { cwd: folder, signal });
}

/** Says who it runs as, and ends with the status that it is given. */
const WHO = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int part(int number);
int main(int count, char **words) {
  printf("%d\\n", (int)geteuid());
  return count > 1 ? part(atoi(words[1])) : 99;
}
`;
const PART = "int part(int number) { return number; }\n";

/** Leads the C library to what it opens by itself: the unwinder, name services, character sets. */
const OPENS = `
#include <iconv.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void *wait(void *nothing) { for (;;) pause(); return nothing; }
int main(int count, char **words) {
  pthread_t thread;
  void *end;
  pthread_create(&thread, 0, wait, 0);
  pthread_cancel(thread);
  pthread_join(thread, &end);
  struct addrinfo *address;
  int refused = getaddrinfo("localhost", "80", 0, &address);
  struct passwd *root = getpwnam("root");
  int converts = iconv_open("UTF-8", "ISO-8859-15") != (iconv_t)-1;
  printf("%d %d %s %d\\n", end == PTHREAD_CANCELED, refused, root ? root->pw_dir : "", converts);
  return count > 1 ? atoi(words[1]) : 99;
}
`;

/** By name: how to compile it from the two sources, or from one and a library beside it. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  pie: ["gcc", "-pie", "-fPIE", "who.c", "part.c"],
  fixed: ["gcc", "-no-pie", "who.c", "part.c"],
  static: ["gcc", "-static", "who.c", "part.c"],
  "static-pie": ["gcc", "-static-pie", "-fPIE", "who.c", "part.c"],
  "odd-linker": [
    "gcc",
    "-Wl,--dynamic-linker=/lib64/../lib64/ld-linux-x86-64.so.2",
    "who.c",
    "part.c",
  ],
  library: ["gcc", "who.c", "libpart.so", "-Wl,-rpath,$ORIGIN"],
  musl: ["musl-gcc", "who.c", "part.c"],
  "musl-static": ["musl-gcc", "-static", "who.c", "part.c"],
  "musl-library": ["musl-gcc", "who.c", "libpart.so", "-Wl,-rpath,$ORIGIN"],
};

/** The program of the image: a script with env(1), that runs all others as a user who is not root. */
const RUN_ALL = `#!/usr/bin/env python3
import subprocess, sys
for number, name in enumerate(sys.argv[1:]):
    done = subprocess.run(["./" + name, str(number)], user=1000, capture_output=True, text=True)
    print(name, done.returncode, done.stdout.strip(), done.stderr.strip(), flush=True)
sys.exit(9)
`;

test("all of them start, with glibc and with musl, and open what no file says", async ({
  signal,
}) => {
  const says = Object.fromEntries([...Object.keys(KINDS), "script"].map((kind) => [kind, "1000"]));
  const expected = Object.entries({ ...says, opens: "1 0 /root 1" });
  const names = expected.map(([kind]) => kind);
  const folder = await rig.project("kinds", {
    "who.c": WHO,
    "part.c": PART,
    "opens.c": OPENS,
    "run-all": RUN_ALL,
    script: '#!/bin/sh\nexec ./pie "$@"\n',
    "windlass.yaml": `runtime: native\ncommand: ./run-all\nargs: [${names}]\ninclude: [/bin/sh]\n`,
  });
  // Without a C library, so that it serves both.
  await compile(folder, ["gcc", "-shared", "-nostdlib", "-o", "libpart.so", "part.c"], signal);
  for (const [name, words] of Object.entries(KINDS)) {
    await compile(folder, [...words, "-o", name], signal);
  }
  await compile(folder, ["gcc", "-pthread", "opens.c", "-o", "opens"], signal);
  await chmod(join(folder, "script"), 0o755);
  // Its owner is root in the image: it is not kept, as README says.
  await chmod(join(folder, "pie"), 0o4755);
  await rig.build(folder, { name: "kinds" });
  const { exitCode, output } = await outcome("kinds", signal);
  const lines = expected.map(([kind, words], number) => `${kind} ${number} ${words} \n`);
  assert.is(output, lines.join(""));
  assert.is(exitCode, 9);
});

/** Opens a library by a name that stands nowhere in it. */
const OPENER = `
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **words) {
  char path[64];
  snprintf(path, sizeof path, "%s/lib%s.so", "./plugins", "plugin");
  void *library = dlopen(path, RTLD_NOW);
  if (!library) { puts(dlerror()); return 1; }
  int (*answer)(void) = (int (*)(void))dlsym(library, "answer");
  printf("%d\\n", answer());
  return 6;
}
`;

async function openerFolder(signal: AbortSignal): Promise<string> {
  const folder = await rig.project("opener", {
    "opener.c": OPENER,
    "plugin.c": "int part(int); int answer(void) { return part(42); }\n",
    "part.c": PART,
  });
  const plugins = join(folder, "plugins");
  await compile(folder, ["mkdir", "plugins"], signal);
  await compile(plugins, ["gcc", "-shared", "-o", "libpart.so", "../part.c"], signal);
  const linked = ["libpart.so", "-Wl,-rpath,$ORIGIN", "-o", "libplugin.so"];
  await compile(plugins, ["gcc", "-shared", "../plugin.c", ...linked], signal);
  await compile(folder, ["gcc", "opener.c", "-o", "opener"], signal);
  return folder;
}

test("a library of a computed name is there once a run was traced", async ({ signal }) => {
  const folder = await openerFolder(signal);
  const file = join(folder, "opener");
  const make = { folder, file, folders: rig.folders, signal };
  await build({ ...make, name: "untraced" });
  const traced = await build({ ...make, name: "traced", trace: [["./opener"]] });
  assert.equal(traced.warnings.length, 1, "its status is told");
  const locked = readTraceLock(folder)["/app/opener"] ?? [];
  for (const path of ["/app/opener", "/app/plugins/libplugin.so", "/app/plugins/libpart.so"])
    assert.ok(locked.includes(path), path);

  const [without, withLock] = await Promise.all([
    outcome("untraced", signal),
    outcome("traced", signal),
  ]);
  assert.is(without.exitCode, 1);
  assert.match(without.output, "./plugins/libplugin.so: cannot open shared object file");
  assert.equal(withLock, { exitCode: 6, output: "42\n" });

  const again = await build({ ...make, name: "again" });
  assert.is(again.image.config.root.digest, traced.image.config.root.digest, "the lock is enough");
  await compile(folder, ["rm", "plugins/libplugin.so"], signal);
  const error: unknown = await build(make).catch((cause: unknown) => cause);
  assert.instance(error, ImageError);
  assert.match((error as ImageError).message, /lock\.json names .*plugins\/libplugin\.so/);
});

test.run();
