/**
 * A container image of several layers, made with tar, pushed to Debian's registry by skopeo, built from there
 * by the command line, and booted once: what its configuration says holds in the guest, and its tree is the one
 * that umoci unpacks. The same busybox looks at both.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, linkSync, mkdirSync, symlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { get } from "node:http";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import type { ExecReply } from "../../guest/api/exec.ts";
import type { GuestClient } from "../../host-tools/guest-client/guest-client.ts";
import { readElfFile } from "../../image-builder/runtimes/elf.ts";
import { fill, packFolder, programsMissing, writeLayout } from "../support/container-layout.ts";
import {
  type DockerRegistry,
  dockerRegistry,
  dockerRegistryMissing,
} from "../support/docker-registry.ts";
import { machineSuite, type Rig } from "../support/rig.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";
import { archiveOf } from "../unit/image-builder/containers/layer-fixture.ts";

const MAIN = resolve(import.meta.dirname, "../../host-tools/cli/main.ts");
const TSX = import.meta.resolve("tsx");
const run = promisify(execFile);

let rig: Rig;
let files: TemporaryFolder;
let client: GuestClient;
let registry: DockerRegistry;

const test = await machineSuite("container image", {
  missing:
    (await dockerRegistryMissing()) ??
    programsMissing("skopeo", "umoci", "busybox", "tar", "cc", "musl-gcc") ??
    (await staticBusyboxMissing()),
  async setup(newRig, { signal }) {
    rig = newRig;
    files = await temporaryFolder();
    makeImage(files);
    registry = await dockerRegistry({ signal });
    const reference = await push("layout", "team/site:1", signal);
    const { code, err } = await buildFrom(reference, "site", signal);
    assert.is(code, 0, err);
    const { readiness } = await rig.boot({ image: "site", name: "site", publishAll: true });
    assert.is(readiness, "ready");
    ({ client } = await rig.instances.client("site"));
  },
  async teardown() {
    await client?.close();
    await registry?.[Symbol.asyncDispose]();
    await files?.[Symbol.asyncDispose]();
  },
});

/** The image has no libraries for another one. */
async function staticBusyboxMissing(): Promise<string | undefined> {
  const { interpreter } = await readElfFile(busyboxPath());
  return interpreter === undefined ? undefined : "busybox is not static (Debian: busybox-static)";
}

function busyboxPath(): string {
  return execFileSync("which", ["busybox"], { encoding: "utf8" }).trim();
}

/** Says what it was given, serves, and ends in its own way when it is stopped. */
const SERVE = `#!/bin/sh
trap 'echo asked by QUIT; kill $!; exit 5' QUIT
trap 'echo asked by TERM; kill $!; exit 6' TERM
echo "$2: $(id -un):$(id -gn) of $(id -G) in $(pwd) home $HOME $GREETING"
busybox httpd -f -p "$1" -h /srv/site &
wait $!
`;

const CONFIG = {
  Entrypoint: ["./serve"],
  Cmd: ["8080", "the command"],
  Env: ["PATH=/bin", "GREETING=good day = fine"],
  User: "web",
  WorkingDir: "/srv/app",
  ExposedPorts: { "8080/tcp": {} },
  StopSignal: "SIGQUIT",
  Healthcheck: {
    Test: ["CMD-SHELL", 'busybox wget -q -O - "http://127.0.0.1:8080/$PAGE"'],
    Interval: 200_000_000,
  },
  Volumes: { "/var/empty/data": {} },
};

/** Says its user, by the C library's own look-up, and which files with code are mapped. */
const WHO = `
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void) {
  struct passwd *user = getpwuid(getuid());
  puts(user ? user->pw_name : "nobody");
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512], *path;
  while (maps && fgets(line, sizeof line, maps))
    if (strstr(line, " r-xp ") && (path = strchr(line, '/'))) fputs(path, stdout);
  return 0;
}
`;

const GLIBC = "/lib/x86_64-linux-gnu/libc.so.6";
const GLIBC_LINKER = "/lib64/ld-linux-x86-64.so.2";
const MUSL = "/lib/ld-musl-x86_64.so.1";

/** Two programs for two C libraries, with these. */
function makePrograms(root: string, source: string): void {
  for (const [compiler, name] of [
    ["cc", "who-glibc"],
    ["musl-gcc", "who-musl"],
  ] as const) {
    execFileSync(compiler, ["-o", join(root, "bin", name), source]);
  }
  for (const [from, to] of [
    [GLIBC, GLIBC],
    [GLIBC_LINKER, GLIBC_LINKER],
    ["/usr/lib/x86_64-linux-musl/libc.so", MUSL],
  ] as const) {
    mkdirSync(join(root, to, ".."), { recursive: true });
    copyFileSync(from, join(root, to));
    chmodSync(join(root, to), 0o755);
  }
}

function makeImage({ file }: TemporaryFolder): void {
  const [one, two, three] = [file("one"), file("two"), file("three")];
  fill(one, {
    "etc/passwd": "root::0:0::/root:/bin/sh\nweb:x:1234:4321::/srv/app:/bin/sh\n",
    "etc/group": "root:x:0:\nstaff:x:4321:\naudio:x:29:root,web\nvideo:x:44:web\n",
    "srv/site/index.html": "of the first layer",
    "srv/site/gone.html": "of the first layer",
    "opt/tool/old": "1",
    "opt/tool/deep/old": "2",
    "opt/kept/file": "3",
  });
  mkdirSync(join(one, "bin"));
  const busybox = join(one, "bin/busybox");
  copyFileSync(busyboxPath(), busybox);
  for (const name of ["sh", "id"]) linkSync(busybox, join(one, "bin", name));
  copyFileSync(busybox, join(one, "bin/su"));
  chmodSync(join(one, "bin/su"), 0o4755);
  symlinkSync("bin", join(one, "sbin"));
  fill(file("sources"), { "who.c": WHO });
  makePrograms(one, file("sources/who.c"));
  fill(two, { "srv/site/.wh.gone.html": "", "opt/tool/.wh..wh..opq": "", "opt/tool/new": "4" });
  linkSync(join(two, "opt/tool/new"), join(two, "opt/tool/again"));
  symlinkSync("../site/index.html", join(two, "srv/link"));
  fill(three, { "srv/app/serve": SERVE, "srv/site/index.html": "of the third layer" });
  chmodSync(join(three, "srv/app/serve"), 0o755);
  const root = { uid: 0, gid: 0 };
  const archives = [
    packFolder(one, root),
    packFolder(two, root),
    packFolder(three, { uid: 1234, gid: 4321 }),
  ];
  writeLayout(file("layout"), archives, CONFIG);
}

/** @returns what it is called in the registry */
async function push(layout: string, name: string, signal: AbortSignal): Promise<string> {
  const reference = `${registry.host}/${name}`;
  const copy = ["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"];
  const from = `oci:${files.file(layout)}:test`;
  await run("skopeo", [...copy, from, `docker://${reference}`], { signal });
  return reference;
}

async function buildFrom(
  reference: string,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly err: string }> {
  const { path } = rig.folder;
  const args = ["--import", TSX, MAIN, "build", "--from", reference, "-t", name, "-q"];
  const child = spawn(process.execPath, args, {
    ...{ signal, stdio: ["ignore", "ignore", "pipe"] },
    env: { ...process.env, WINDLASS_HOME: path, XDG_RUNTIME_DIR: path },
  });
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
  return { code, err };
}

async function exec(
  argv: string[],
  signal: AbortSignal,
  { user = "root" } = {},
): Promise<ExecReply> {
  const body = { argv, user, timeoutMs: 120_000 };
  return await client.call("exec", { body }, { signal, timeoutMs: 120_000 });
}

test("it serves on the port that the image exposes", async () => {
  const { launch } = (await rig.instances.get("site")).record;
  const forward = launch?.forwards.find(({ guestPort }) => guestPort === 8080);
  const reply = await new Promise<string>((done, fail) => {
    const request = get({ port: forward?.hostPort ?? 0, agent: false });
    request.on("error", fail).on("response", (response) => done(text(response)));
  });
  assert.is(reply, "of the third layer");
});

test("a setuid program of a layer has its owner's rights", async ({ signal }) => {
  const { stdout, stderr } = await exec(["su", "-c", "id -u; id -g"], signal, { user: "web" });
  assert.is(stdout, "0\n0\n", stderr);
});

test("a user has all its groups, or the one that is named", async ({ signal }) => {
  const groupsOf = async (user: string): Promise<string> =>
    (await exec(["id", "-G"], signal, { user })).stdout;
  assert.is(await groupsOf("web"), "4321 29 44\n");
  assert.is(await groupsOf("1234"), "4321 29 44\n");
  assert.is(await groupsOf("web:staff"), "4321\n");
  assert.is(await groupsOf("root"), "0\n");
  const gone = await exec(["nowhere"], signal, { user: "web" }).catch((error: Error) => error);
  assert.match((gone as Error).message, 'Cannot start "nowhere": no such program in the guest');
});

test("programs run with the C library of the image, whichever it is", async ({ signal }) => {
  const glibc = await exec(["who-glibc"], signal, { user: "web" });
  const [user, ...mapped] = glibc.stdout.trim().split("\n");
  assert.is(user, "web", glibc.stderr);
  assert.equal(mapped.sort(), ["/bin/who-glibc", GLIBC, GLIBC_LINKER].sort());
  const musl = await exec(["who-musl"], signal, { user: "web" });
  assert.is(musl.stdout, `web\n/bin/who-musl\n${MUSL}\n`, musl.stderr);
});

/** Of everything in some folders but our helpers: kind, mode, target, links, times, content. */
const LOOK = `cd "$1" && shift
list() { busybox find bin etc/passwd etc/group lib lib64 opt sbin srv ! -name 'windlass-*' "$@" | busybox sort; }
list
list -type l -exec busybox readlink {} ';'
list -type d -exec busybox stat -c '%n %a' {} ';'
list -type f -exec busybox stat -c '%n %a %h %s %Y' {} ';'
list -type f -exec busybox sha256sum {} ';'
`;

test("its tree is what umoci unpacks", async ({ signal }) => {
  const bundle = files.file("bundle");
  const image = `${files.file("layout")}:test`;
  await run("umoci", ["unpack", "--rootless", "--image", image, bundle], { signal });
  const { stdout: theirs } = await run("busybox", ["sh", "-c", LOOK, "sh", join(bundle, "rootfs")]);
  const ours = await exec(["/bin/busybox", "sh", "-c", LOOK, "sh", "/"], signal);
  assert.is(ours.stdout, theirs, ours.stderr);
  assert.match(theirs, "bin/su 4755 1 ");
  assert.match(theirs, "opt/tool/again 644 2 ");
  const owners = await exec(["busybox", "stat", "-c", "%u:%g", "/srv/app", "/bin/su"], signal);
  assert.is(owners.stdout, "1234:4321\n0:0\n");
  const volume = await exec(["busybox", "ls", "-d", "/var/empty/data"], signal);
  assert.is(volume.exitCode, 0);
});

test("an image that leads out of its root is refused, and nothing is left of it", async ({
  signal,
}) => {
  const names = ["../../../../escaped", "etc/../../escaped"];
  const archives = await Promise.all(names.map((name) => archiveOf([{ name, text: "x" }])));
  writeLayout(files.file("evil"), archives, CONFIG);
  const reference = await push("evil", "evil:1", signal);
  const before = await everyFile();
  const { code, err } = await buildFrom(reference, "evil", signal);
  assert.is(code, 1);
  assert.match(err, "WL_IMAGE_CONTAINER_INVALID");
  assert.match(err, "leads out of its folder");
  // The manifest stays; what may have been damaged on the way here is fetched anew next time.
  const added = (await everyFile()).filter((path) => !before.includes(path));
  const isManifest = (path: string): boolean => /registry\/(layouts|blobs\/sha256)\//.test(path);
  assert.equal(
    added.filter((path) => !isManifest(path)),
    [],
  );
  assert.is(added.filter((path) => path.includes("registry/blobs/sha256")).length, 1);
});

/** Of everything that this suite has made. */
async function everyFile(): Promise<string[]> {
  const folders = [rig.folder.path, files.path];
  const names = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true })));
  return names.flat();
}

test("it stops by the signal that the image names; the program had all it was to have", async () => {
  await rig.instances.stop("site");
  const { exitCode } = await rig.instances.wait("site");
  let output = "";
  for await (const record of rig.instances.journal(await rig.instances.get("site"))) {
    if (record.kind === "output") output += record.text;
  }
  const told = "the command: web:staff of 4321 29 44 in /srv/app home /srv/app good day = fine\n";
  assert.is(output, `${told}asked by QUIT\n`);
  assert.is(exitCode, 5);
});

test.run();
