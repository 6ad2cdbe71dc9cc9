/** A program as a thread of this very process, with pipes of its own for output. */
import { once } from "node:events";
import { closeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import koffi from "koffi";
import * as assert from "uvu/assert";
import { threadCommand } from "../../../../guest/api/thread-program.ts";
import type { OpenOutput } from "../../../../guest/init/output-pipe.ts";
import { ProgramWorker, type ThreadOptions } from "../../../../guest/init/program-worker.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

let folder: TemporaryFolder;
let file: string;
const test = suite("program worker", {
  setup: async () => {
    folder = await temporaryFolder();
    file = folder.file("thread.cjs");
    await build({
      entryPoints: [join(import.meta.dirname, "../../../../guest/program/thread.ts")],
      ...{ outfile: file, bundle: true, platform: "node", format: "cjs" },
    });
  },
  teardown: () => folder[Symbol.asyncDispose](),
});

const pipe = koffi.load("libc.so.6").func("int pipe2(void *ends, int flags)");

/** Pipes on any descriptors: 1 and 2 are this test's own. */
const openOutput: OpenOutput = () => {
  const open = () => {
    const ends = Buffer.alloc(8);
    assert.is(pipe(ends, 0), 0);
    const stream = new Socket({ fd: ends.readInt32LE(0), readable: true, writable: false });
    return { stream, fd: ends.readInt32LE(4) };
  };
  const [out, err] = [open(), open()];
  return {
    ...{ stdout: out.stream, stderr: err.stream },
    descriptors: { stdout: out.fd, stderr: err.fd },
    end: () => {
      closeSync(out.fd);
      closeSync(err.fd);
    },
  };
};

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Run {
  readonly worker: ProgramWorker;
  readonly end: Promise<Ended>;
  /** Resolves when it has written this to standard output. */
  wrote(text: string): Promise<void>;
}

let scripts = 0;
async function start(
  source: string,
  { extension = "cjs", flags = [] as readonly string[], ...options }: StartOptions = {},
): Promise<Run> {
  scripts += 1;
  const script = folder.file(`program-${scripts}.${extension}`);
  await writeFile(script, source);
  const worker = new ProgramWorker(
    {
      argv: ["/usr/local/bin/node", ...flags, script, "one", ""],
      workdir: process.cwd(),
      environment: { COLOUR: "green" },
      openStdin: false,
      heapMib: 64,
      ...options,
    },
    { openOutput, file },
  );
  let stdout = "";
  let stderr = "";
  worker.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  worker.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const closed = Promise.all([
    once(worker, "exit"),
    once(worker.stdout, "close"),
    once(worker.stderr, "close"),
  ]);
  return {
    worker,
    end: closed.then(([[code, signal]]) => ({ code, signal, stdout, stderr })),
    async wrote(text) {
      while (!stdout.includes(text)) await once(worker.stdout, "data");
    },
  };
}

type StartOptions = Partial<ThreadOptions> & {
  readonly extension?: string;
  readonly flags?: readonly string[];
};

test("arguments, variables and the exit status are those of a process", async () => {
  const program = await start(
    `console.log(JSON.stringify([process.argv.slice(2), process.env, require.main === module]));
    process.exitCode = 7;`,
  );
  const { stdout, ...end } = await program.end;
  assert.equal(end, { code: 7, signal: null, stderr: "" });
  assert.equal(JSON.parse(stdout), [["one", ""], { COLOUR: "green" }, true]);
});

test("an ES module runs, and takes itself for the main thread", async () => {
  const program = await start(
    `import { isMainThread, parentPort, workerData, Worker } from "node:worker_threads";
    console.log(isMainThread, parentPort, workerData);
    const text = "const { isMainThread, workerData } = require('node:worker_threads'); console.log(isMainThread, workerData);";
    new Worker(text, { eval: true, workerData: 5 });`,
    { extension: "mjs" },
  );
  assert.is((await program.end).stdout, "true null null\nfalse 5\n");
});

test("nothing that was written is lost by process.exit", async () => {
  const program = await start(
    `process.stdout.write("x".repeat(1 << 20)); console.error("err"); process.exit(3);`,
  );
  const { code, stdout, stderr } = await program.end;
  assert.equal([code, stdout.length, stderr], [3, 1 << 20, "err\n"]);
});

test("a real-time signal, which no program of Node's can listen for, ends it", async () => {
  const program = await start(`setInterval(() => {}, 1000); console.log("up");`);
  await program.wrote("up");
  assert.is(program.worker.kill(37), true);
  assert.is((await program.end).signal, "SIGRTMIN+3");
  assert.throws(() => program.worker.kill(65), /Unknown signal/);
});

test("exit statuses have eight bits", async () => {
  assert.is((await (await start("process.exit(256)")).end).code, 0);
  assert.is((await (await start("process.exit(-1)")).end).code, 255);
});

test("an error that nobody catches is told on standard error", async () => {
  const program = await start(
    "console.error('before'); Promise.reject(new TypeError('no such thing'))",
  );
  const { code, signal, stderr } = await program.end;
  assert.equal([code, signal], [1, null]);
  assert.match(stderr, /^before\nTypeError: no such thing\n +at .*program-\d+\.cjs/);
});

test("a script that is not there ends the run, as of a process", async () => {
  const argv = ["node", folder.file("missing.js")];
  const { code, stderr } = await (await start("", { argv })).end;
  assert.is(code, 1);
  assert.match(stderr, /Cannot find module .*missing\.js/);
});

test("a signal is an event of process", async () => {
  const program = await start(
    `process.on("SIGTERM", (name, number) => { console.log(name, number); process.exit(5); });
    setInterval(() => {}, 1000); console.log("up");`,
  );
  await program.wrote("up");
  assert.is(program.worker.kill("SIGTERM"), true);
  assert.equal(await program.end, {
    code: 5,
    signal: null,
    stdout: "up\nSIGTERM 15\n",
    stderr: "",
  });
  assert.is(program.worker.kill("SIGTERM"), false);
});

test("a signal that nobody listens for ends the program, or does nothing, by its kind", async () => {
  const program = await start(`
    process.on("SIGUSR2", () => console.log("usr2"));
    setInterval(() => {}, 1000); console.log("up");`);
  await program.wrote("up");
  program.worker.kill("SIGWINCH");
  program.worker.kill("SIGUSR2");
  await program.wrote("usr2");
  program.worker.kill("SIGHUP");
  const { code, signal } = await program.end;
  assert.equal([code, signal], [null, "SIGHUP"]);
  assert.throws(() => program.worker.kill("SIGNONE" as never), /Unknown signal/);
});

test("SIGKILL ends a program that never rests", async () => {
  const program = await start(`process.on("SIGTERM", () => {}); console.log("up"); for (;;);`);
  await program.wrote("up");
  program.worker.kill("SIGTERM");
  program.worker.kill("SIGKILL");
  const { code, signal } = await program.end;
  assert.equal([code, signal], [null, "SIGKILL"]);
});

test("a program that sends itself a signal does not send it to the agent", async () => {
  const program = await start(`
    process.once("SIGTERM", () => { console.log("mine"); process.kill(process.pid, 15); });
    setInterval(() => {}, 1000); process.kill(process.pid);`);
  const { code, signal, stdout } = await program.end;
  assert.equal([code, signal, stdout], [null, "SIGTERM", "mine\n"]);
});

test("standard input arrives, and is at its end when there is none", async () => {
  const source = `process.stdin.on("data", (text) => console.log("got " + text)).on("end", () => console.log("end"));`;
  const program = await start(source, { openStdin: true });
  program.worker.stdin?.end("words");
  assert.is((await program.end).stdout, "got words\nend\n");
  assert.is((await (await start(source)).end).stdout, "end\n");
});

test("its heap has a limit of its own", async () => {
  const source = "const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length));";
  const { code, stderr } = await (await start(source, { flags: ["--max-old-space-size=16"] })).end;
  assert.is(code, 1);
  assert.match(stderr, /JavaScript heap out of memory/);
});

test("flags that a worker cannot have, and a missing folder, are refused", async () => {
  const refused = async (options: StartOptions, expected: RegExp): Promise<void> => {
    await start("", options).then(
      () => assert.unreachable("it started"),
      (error) => assert.match(String(error.message), expected),
    );
  };
  await refused({ flags: ["--expose-gc"] }, /invalid execArgv flags: --expose-gc/);
  await refused({ workdir: folder.file("nowhere") }, /ENOENT/);
  await refused({ argv: ["node", "-e", "1"] }, /cannot have the flag -e/);
});

test("a command line is taken apart at the script", () => {
  assert.equal(threadCommand(["node", "--a", "--b=c", "/x.js", "--d"]), {
    flags: ["--a", "--b=c"],
    script: "/x.js",
    args: ["--d"],
  });
  assert.throws(() => threadCommand(["node"]), /needs a script/);
  assert.throws(() => threadCommand(["node", "--a"]), /needs a script/);
  assert.throws(() => threadCommand(["node", "x.js"]), /no absolute path/);
});

test.run();
