import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  type ChildWait,
  decodeStatus,
  EarlyProgram,
} from "../../../../guest/init/early-program.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("early program");

interface Rig extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly program: EarlyProgram;
}

/** A real child. Node waits for it here; in the guest nobody has. */
async function rig(script: string, report = Buffer.alloc(8)): Promise<Rig> {
  const folder = await temporaryFolder();
  const fifo = (name: string): string => folder.file(name);
  const files = [fifo("stdout"), fifo("stderr")];
  await once(spawn("mkfifo", files), "exit");
  const [ours, errors] = files.map((file) => openSync(file, "r+"));
  const child = spawn("/bin/sh", ["-c", script], { stdio: ["ignore", ours ?? 0, errors ?? 0] });
  let status: number | undefined;
  child.once("exit", (code, signal) => {
    status = signal ? constants.signals[signal] : (code ?? 0) << 8;
    process.emit("SIGCHLD");
  });
  const wait: ChildWait = { collect: () => status, report: () => report };
  const readEnds = files.map((file) => openSync(file, "r"));
  for (const fd of [ours, errors]) if (fd !== undefined) closeSync(fd);
  const [stdout = -1, stderr = -1] = readEnds;
  const program = new EarlyProgram(child.pid ?? 0, wait, { stdout, stderr });
  return {
    child,
    program,
    async [Symbol.asyncDispose]() {
      program.stdout.destroy();
      program.stderr.destroy();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("its output and its exit status arrive", async () => {
  await using running = await rig("echo out; echo err >&2; exit 3");
  const { program } = running;
  const texts = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    program[stream].on("data", (bytes) => {
      texts[stream] += bytes;
    });
  }
  const closed = Promise.all([once(program.stdout, "close"), once(program.stderr, "close")]);
  const [code, signal] = await once(program, "exit");
  assert.equal([code, signal], [3, null]);
  await closed;
  assert.equal(texts, { stdout: "out\n", stderr: "err\n" });
});

test("it is sent signals until it has ended, and nobody after it", async () => {
  await using running = await rig("echo on; exec sleep 100");
  const { program, child } = running;
  await once(program.stdout, "data");
  assert.is(program.pid, child.pid);
  assert.ok(program.startedUptimeMs() > 0);
  assert.throws(() => program.kill("SIGNOTHING" as NodeJS.Signals));
  const ended = once(program, "exit");
  assert.is(program.kill("SIGTERM"), true);
  assert.equal((await ended).slice(0, 2), [null, "SIGTERM"]);
  assert.is(program.pid, undefined);
  assert.is(program.kill("SIGKILL"), false);
});

test("one that could not be started says why", async () => {
  const report = Buffer.alloc(16);
  report.writeBigInt64LE(-2n, 8); // ENOENT
  await using running = await rig("exit 127", report);
  const error: unknown = await once(running.program, "exit").catch((reason: unknown) => reason);
  assert.instance(error, Error);
  assert.match((error as Error).message, /ENOENT/);
  assert.is(running.program.pid, undefined);
});

test("one that ends with 127 by itself has ended", async () => {
  await using running = await rig("exit 127");
  const [code] = await once(running.program, "exit");
  assert.is(code, 127);
});

test("any status is an exit or a signal", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), (code) => {
      assert.equal(decodeStatus(code << 8), { exitCode: code, signal: null });
    }),
  );
  assert.equal(decodeStatus(9), { exitCode: null, signal: "SIGKILL" });
  assert.equal(decodeStatus(37), { exitCode: null, signal: "SIGRTMIN+3" });
  assert.equal(decodeStatus(11 | 0x80), { exitCode: null, signal: "SIGSEGV" }, "with a core dump");
});

test.run();
