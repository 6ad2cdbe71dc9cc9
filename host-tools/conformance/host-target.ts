/** This host: programs are children of the runner, their files are in temporary folders. */
import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { HostError } from "../errors.ts";
import { readBounded } from "./bounded-output.ts";
import type { Outcome, Target, TargetCommand, TargetWaiting } from "./target.ts";

/** What a program of the host is given of the runner's environment, as a guest's programs are: next to nothing. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export async function openHostTarget(): Promise<Target> {
  const base = await mkdtemp(join(tmpdir(), "windlass-conformance-"));
  let folders = 0;
  return {
    kind: "host",
    name: "host",
    nodePath: process.execPath,
    hostAddress: "127.0.0.1",
    cpuCount: availableParallelism(),
    async put(hostFolder) {
      const place = join(base, String(++folders));
      await cp(hostFolder, place, {
        recursive: true,
        verbatimSymlinks: true,
        preserveTimestamps: true,
      });
      return place;
    },
    run: (command, waiting) => runChild(base, command, waiting),
    fork: openHostTarget,
    async [Symbol.asyncDispose]() {
      await rm(base, { recursive: true, force: true });
    },
  };
}

async function runChild(
  base: string,
  command: TargetCommand,
  { signal }: TargetWaiting = {},
): Promise<Outcome> {
  signal?.throwIfAborted();
  const [file = "", ...args] = command.argv;
  const startedAtMs = Date.now();
  const child = spawn(file, args, {
    cwd: command.workdir ?? base,
    env: { PATH, HOME: base, ...command.env },
    // A group of its own, so that what it started ends with it.
    detached: true,
  });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, command.timeoutMs);
  const onAbort = (): void => killGroup(child);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const ended = endOf(child);
    // A program need not read what it is given.
    child.stdin.on("error", () => {});
    child.stdin.end(command.stdin ?? "");
    const outputs = Promise.all([readBounded(child.stdout), readBounded(child.stderr)]);
    const { exitCode, signal: endSignal } = await ended;
    // What it left behind would hold its output open.
    killGroup(child);
    const [stdout, stderr] = await outputs;
    signal?.throwIfAborted();
    return {
      ...{ exitCode, signal: endSignal, timedOut, startedAtMs, endedAtMs: Date.now() },
      ...{ stdout: stdout.bytes, stdoutSizeBytes: stdout.sizeBytes },
      ...{ stderr: stderr.bytes, stderrSizeBytes: stderr.sizeBytes },
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    killGroup(child);
  }
}

function endOf(child: ChildProcess): Promise<{ exitCode: number | null; signal: string | null }> {
  return new Promise((resolve, reject) => {
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
    child.once("error", (cause) => {
      const next = "Check that the file is there and can be run";
      const message = `Cannot start ${JSON.stringify(child.spawnfile)}: ${cause.message}`;
      reject(new HostError("WL_CONFORMANCE_FAILED", message, { next }, cause));
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing is left of it.
  }
}
