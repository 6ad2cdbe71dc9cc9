/**
 * The first file of a program that runs as a worker of the agent's process: makes the thread look like a process,
 * then loads the program. What a worker cannot do stays as Node has it: it says so when it is tried.
 */
import { writeSync } from "node:fs";
import { Module, syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import type { Writable } from "node:stream";
import workerThreads, { type MessagePort } from "node:worker_threads";
import type { SignalMessage, ThreadStart } from "../api/thread-program.ts";

type Start = ThreadStart & { readonly signals: MessagePort };
const { script, signals, output } = workerThreads.workerData as Start;

writeAtOnce(process.stdout, output.stdout);
writeAtOnce(process.stderr, output.stderr);
looksLikeMain();
takeSignals(signals);
process.argv[1] = script;
// Loads CommonJS and ES modules alike, as `node SCRIPT` does.
(Module as unknown as { runMain(): void }).runMain();

/** As a process has it whose output is a pipe: written when the call returns, so that nothing is lost at the end. */
function writeAtOnce(stream: NodeJS.WriteStream, fd: number): void {
  const write: Writable["_write"] = (chunk, encoding, done) => {
    try {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, encoding);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      done();
    } catch (error) {
      done(error as Error);
    }
  };
  // Node's own stream stays: the agent's side talks to it.
  Object.assign(stream, { fd, _write: write, _writev: null });
}

/** For programs that ask which part of them is to run: `if (isMainThread) ...`. */
function looksLikeMain(): void {
  Object.assign(workerThreads, { isMainThread: true, parentPort: null, workerData: null });
  syncBuiltinESMExports();
}

/** A signal is an event of `process`; one that nobody listens for goes back, to do what it does by itself. */
function takeSignals(port: MessagePort): void {
  const emit = process.emit as (event: string, signal: string, number: number) => boolean;
  port.on("message", ({ signal }: SignalMessage) => {
    const number = constants.signals[signal as NodeJS.Signals];
    if (!emit.call(process, signal, signal, number)) {
      port.postMessage({ signal } satisfies SignalMessage);
    }
  });
  port.unref();
  const { kill } = process;
  // To itself means this thread: the process is the agent's.
  process.kill = (pid, signal = "SIGTERM") => {
    if (pid !== process.pid || signal === 0) return kill(pid, signal);
    const names = Object.entries(constants.signals);
    const name = names.find(([key, value]) => key === signal || value === signal)?.[0];
    if (name === undefined) return kill(pid, signal); // Which says what is wrong with it.
    port.postMessage({ signal: name, isOwn: true } satisfies SignalMessage);
    return true;
  };
}
