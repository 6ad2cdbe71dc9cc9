/**
 * Unmodified programs of this host, each in a guest that has nothing else: a real task of theirs, and its
 * exit status. Every program is an image and a boot of its own.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { dirname, join } from "node:path";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import {
  type Certificates,
  makeCertificates,
  SERVER_NAME,
} from "../../host-tools/conformance/runtime/certificates.ts";
import { type RunningInstance, type RunOptions, run } from "../../host-tools/run.ts";
import { build } from "../../image-builder/build-image.ts";
import { readElfFile } from "../../image-builder/runtimes/elf.ts";
import { findTool } from "../../image-builder/runtimes/toolchain.ts";
import { machineSuite, type Rig } from "../support/rig.ts";

/** Where QEMU's network shows this host to the guest. */
const HOST_IN_GUEST = "10.0.2.2";
const REDIS_PORT = 6379;
const TLS_PORT = 4433;

let rig: Rig;

const test = await machineSuite("native programs", {
  async setup(newRig) {
    rig = newRig;
  },
});

function withProgram(
  program: string,
  what: string,
  body: (program: string, context: { signal: AbortSignal }) => Promise<void>,
): void {
  const name = `${program}: ${what}`;
  if (existsSync(program)) test(name, (context) => body(program, context));
  else test.skip(`${program} is not installed`, name);
}

/** Builds nothing but the program, and starts it. */
async function start(file: string, options: Omit<RunOptions, "image">): Promise<RunningInstance> {
  const { image } = await build({ folder: dirname(file), file, folders: rig.folders });
  return await started({ image: image.id, ...options });
}

async function started(options: RunOptions): Promise<RunningInstance> {
  return await run({ accelerator: "tcg", folders: rig.folders, ...options });
}

async function outputOf(instance: RunningInstance): Promise<string> {
  let output = "";
  for await (const record of instance.logs()) if (record.kind === "output") output += record.text;
  return output;
}

function published(guestPort: number) {
  return { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: undefined, guestPort } as const;
}

/** A program that does its task and ends. */
interface Task {
  readonly args: readonly string[];
  readonly says: string;
  readonly exitCode: number;
}

async function runTask(file: string, task: Task, signal: AbortSignal): Promise<void> {
  await using instance = await start(file, { args: task.args, signal });
  await checkEnd(instance, task, signal);
}

async function checkEnd(
  instance: RunningInstance,
  { says, exitCode }: Pick<Task, "says" | "exitCode">,
  signal: AbortSignal,
): Promise<void> {
  const end = await instance.wait({ signal });
  assert.is(await outputOf(instance), says);
  assert.is(end.exitCode, exitCode);
}

const PYTHON_TASK = `
import hashlib, json, lzma, sqlite3, ssl, subprocess, sys, threading
table = sqlite3.connect("/tmp/table.db")
table.execute("create table numbers (n)")
table.executemany("insert into numbers values (?)", [(n,) for n in range(10)])
found = []
thread = threading.Thread(target=lambda: found.append(hashlib.sha256(b"x").hexdigest()[:8]))
thread.start()
thread.join()
child = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True)
print(json.dumps([table.execute("select sum(n) from numbers").fetchone()[0], found, child.stdout]))
print(lzma.decompress(lzma.compress(b"packed")).decode(), ssl.create_default_context().verify_mode.name)
sys.exit(3)
`;

const PERL_TASK = `
use strict; use warnings; use Digest::SHA qw(sha256_hex); use JSON::PP; use IO::Socket::INET; use POSIX;
my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $!;
my $pid = fork();
if ($pid == 0) { my $peer = $server->accept; print $peer substr(sha256_hex("x"), 0, 8); close $peer; POSIX::_exit(5) }
my $line = readline(IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $server->sockport));
waitpid $pid, 0;
print encode_json([$line, $? >> 8]), "\\n";
exit 4;
`;

/** An alias that is a command line of the shell: several commands of Git in one run. */
const GIT_TASK = `!set -e
git init -q /tmp/work && cd /tmp/work && echo text > file && git add file
git -c user.name=a -c user.email=a@b.test commit -q -m first
git clone -q --bare . /tmp/copy.git && git -C /tmp/copy.git fsck --strict
git -C /tmp/copy.git log --format='%an %s' && git -C /tmp/copy.git show HEAD:file
exit 7`;

const NODE_TASK = `
const { createHash } = require("node:crypto");
const { Worker } = require("node:worker_threads");
const text = "require('node:worker_threads').parentPort.postMessage(6 * 7)";
new Worker(text, { eval: true }).once("message", (number) => {
  console.log(number, createHash("sha256").update("x").digest("hex").slice(0, 8));
  process.exitCode = 5;
});`;

/** By program, as one row each. */
const TASKS: readonly (readonly [program: string, task: Task])[] = [
  [
    "/usr/bin/python3",
    {
      args: ["-c", PYTHON_TASK],
      says: '[45, ["2d711642"], "42\\n"]\npacked CERT_REQUIRED\n',
      exitCode: 3,
    },
  ],
  [
    "/usr/bin/ruby",
    {
      args: [
        "-e",
        'require "digest"; require "json"; puts JSON.generate([Digest::SHA256.hexdigest("x")[0, 8], Thread.new { 6 * 7 }.value]); exit 9',
      ],
      says: '["2d711642",42]\n',
      exitCode: 9,
    },
  ],
  // One of a JDK's programs: all of them are a JVM with its modules.
  [
    "/usr/bin/javap",
    {
      args: ["java.lang.Runnable"],
      says: 'Compiled from "Runnable.java"\npublic interface java.lang.Runnable {\n  public abstract void run();\n}\n',
      exitCode: 0,
    },
  ],
  ["/usr/bin/perl", { args: ["-e", PERL_TASK], says: '["2d711642",5]\n', exitCode: 4 }],
  [
    "/usr/bin/sqlite3",
    {
      args: [
        "/tmp/table.db",
        "create table t (n); insert into t values (6), (7);",
        "select json_group_array(n * n) from t;",
        ".exit 6",
      ],
      says: "[36,49]\n",
      exitCode: 6,
    },
  ],
  [
    "/usr/bin/git",
    { args: ["-c", `alias.task=${GIT_TASK}`, "task"], says: "a first\ntext\n", exitCode: 7 },
  ],
  [process.execPath, { args: ["-e", NODE_TASK], says: "42 2d711642\n", exitCode: 5 }],
];

for (const [program, task] of TASKS) {
  const what = `does its work and ends with ${task.exitCode}`;
  withProgram(program, what, (file, { signal }) => runTask(file, task, signal));
}

const GO_STATIC = `package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	go func() {
		peer, _ := listener.Accept()
		fmt.Fprintf(peer, "%.4x\\n", sha256.Sum256([]byte("x")))
		peer.Close()
	}()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil { panic(err) }
	line, _ := bufio.NewReader(peer).ReadString('\\n')
	if len(os.Args) > 1 {
		fmt.Println("child says", line[:8])
		return
	}
	child, err := exec.Command(os.Args[0], "child").CombinedOutput()
	fmt.Print(line, string(child))
	if err != nil { panic(err) }
	os.Exit(8)
}
`;

/** Calls C, and asks the C library for a user, which it looks for through its name services. */
const GO_CGO = `package main

// #include <stdlib.h>
// static int by_qsort(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
// static void sort(int *numbers, size_t count) { qsort(numbers, count, sizeof *numbers, by_qsort); }
import "C"
import ("fmt"; "os"; "os/user")

func main() {
	numbers := []C.int{3, 1, 2}
	C.sort(&numbers[0], 3)
	root, err := user.Lookup("root")
	if err != nil { panic(err) }
	fmt.Println(numbers, root.Uid)
	os.Exit(9)
}
`;

const go = findTool({ program: "go" });

for (const { name, source, cgo, says, exitCode } of [
  {
    name: "static",
    source: GO_STATIC,
    cgo: "0",
    says: "2d711642\nchild says 2d711642\n",
    exitCode: 8,
  },
  { name: "cgo", source: GO_CGO, cgo: "1", says: "[1 2 3] 0\n", exitCode: 9 },
] as const) {
  const what = `Go, ${name}: does its work and ends with ${exitCode}`;
  if (!go) test.skip("go is not installed", what);
  else {
    test(what, async ({ signal }) => {
      const folder = await rig.project(`go-${name}`, { "main.go": source });
      const env = { ...process.env, CGO_ENABLED: cgo, GO111MODULE: "off" };
      await promisify(execFile)("go", ["build", "-o", "program", "main.go"], {
        cwd: folder,
        env,
        signal,
      });
      const program = join(folder, "program");
      const { interpreter } = await readElfFile(program);
      assert.is(interpreter !== undefined, cgo === "1", "linked as it was asked for");
      await runTask(program, { args: [], says, exitCode }, signal);
    });
  }
}

/** Says the host and the path that it was asked for, over TLS. */
async function openEcho({ serverPem, serverKeyPem }: Certificates) {
  const server = createServer({ cert: serverPem, key: serverKeyPem }, (request, response) => {
    response.end(`${request.headers.host?.split(":")[0]} ${request.url}\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port, [Symbol.asyncDispose]: close };
}

withProgram(
  "/usr/bin/curl",
  "fetches over TLS with an authority of its own, and its status says what failed",
  async (program, { signal }) => {
    const folder = await rig.project("curl", {
      "windlass.yaml": `runtime: native\ncommand: ${program}\nfiles: { include: [ca.pem, other-ca.pem] }\n`,
    });
    await using echo = await openEcho(await makeCertificates(folder, { signal }));
    const image = await rig.build(folder, { name: "curl" });
    const origin = `https://${SERVER_NAME}:${echo.port}`;
    const fetching = ["-sS", "--resolve", `${SERVER_NAME}:${echo.port}:${HOST_IN_GUEST}`];
    const trusting = (ca: string) => [...fetching, "--cacert", ca, `${origin}/${ca}`];
    // The status is the last one's: 60 is a certificate that cannot be trusted.
    const args = [...trusting("ca.pem"), "--next", ...trusting("other-ca.pem")];
    await using instance = await started({ image: image.id, args, signal });
    const end = await instance.wait({ signal });
    const output = await outputOf(instance);
    assert.match(output, `${SERVER_NAME} /ca.pem\n`);
    assert.not.match(output, "/other-ca.pem");
    assert.match(output, "curl: (60)");
    assert.is(end.exitCode, 60);
  },
);

/** What a server answers to a few lines, until it closes the connection. */
async function dialogue(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.end(lines.map((line) => `${line}\r\n`).join(""));
  let reply = "";
  for await (const chunk of socket.setEncoding("utf8")) reply += chunk;
  return reply;
}

withProgram("/usr/bin/redis-server", "serves until it is stopped", async (program, { signal }) => {
  // Protected mode refuses clients of other machines, which this host is to the guest.
  const args = ["--protected-mode", "no", "--save", ""];
  const publish = [published(REDIS_PORT)];
  await using instance = await start(program, { args, publish, signal });
  const port = Number(new URL(instance.url(REDIS_PORT)).port);
  const reply = await dialogue(port, [
    "SET shelf full",
    "GET shelf",
    "EVAL \"return redis.call('incrby', KEYS[1], 42)\" 1 counter",
    "QUIT",
  ]);
  assert.is(reply, "+OK\r\n$4\r\nfull\r\n:42\r\n+OK\r\n");
  await instance.stop({ signal });
  const end = await instance.wait({ signal });
  assert.is(end.exitCode, 0);
  assert.match(await outputOf(instance), "User requested shutdown");
});

withProgram(
  "/usr/bin/openssl",
  "serves TLS, signs and verifies, and loads a provider",
  async (program, { signal }) => {
    const folder = await rig.project("openssl", {
      "windlass.yaml": `runtime: native\ncommand: ${program}\nports: [${TLS_PORT}]\n`,
    });
    await makeCertificates(folder, { signal });
    const image = await rig.build(folder, { name: "openssl" });
    const args = ["s_server", "-quiet", "-www", "-accept", String(TLS_PORT)];
    const identity = ["-cert", "server.pem", "-key", "server.key"];
    const publish = [published(TLS_PORT)];
    await using instance = await started({
      ...{ image: image.id, args: [...args, ...identity], publish, signal },
    });
    const port = Number(new URL(instance.url(TLS_PORT)).port);
    assert.match(await statusPage(port, folder), "TLSv1.3");

    const openssl = async (...words: string[]) => {
      const { exitCode, stdout, stderr } = await instance.exec([program, ...words], { signal });
      return [exitCode, stdout + stderr];
    };
    const sha256 = ["dgst", "-sha256"];
    assert.equal(
      await openssl(...sha256, "-sign", "server.key", "-out", "/tmp/signature", "ca.pem"),
      [0, ""],
    );
    assert.equal(
      await openssl("x509", "-in", "server.pem", "-noout", "-pubkey", "-out", "/tmp/public"),
      [0, ""],
    );
    const verify = [...sha256, "-verify", "/tmp/public", "-signature", "/tmp/signature"];
    assert.equal(await openssl(...verify, "ca.pem"), [0, "Verified OK\n"]);
    assert.is((await openssl(...verify, "other-ca.pem"))[0], 1);
    // MD4 is in a module that nothing but the configuration and this option name.
    const legacy = await openssl(
      "dgst",
      "-provider",
      "legacy",
      "-provider",
      "default",
      "-md4",
      "/dev/null",
    );
    assert.equal(legacy, [0, "MD4(/dev/null)= 31d6cfe0d16ae931b73c59d7e0c089c0\n"]);
    await instance.stop({ signal });
  },
);

async function statusPage(port: number, folder: string): Promise<string> {
  const ca = await readFile(join(folder, "ca.pem"));
  const socket = connectTls({ host: "127.0.0.1", port, servername: SERVER_NAME, ca });
  socket.write("GET / HTTP/1.0\r\n\r\n");
  let page = "";
  for await (const chunk of socket.setEncoding("utf8")) page += chunk;
  return page;
}

test.run();
