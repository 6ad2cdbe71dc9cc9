/** POST /v1/exec without an upgrade: run to the end, reply with everything. */
import type { Readable } from "node:stream";
import { EXEC_OUTPUT_MAX_BYTES, type ExecReply, type ExecRequest } from "../api/exec.ts";
import { endGroup, signalGroup, startCommand } from "./command.ts";
import { whenEnded } from "./command-end.ts";
import type { Agent, Operations } from "./operation.ts";

export function execOperations(agent: Agent): Operations<"exec"> {
  return { exec: ({ body }, call) => execute(agent, body, call.signal) };
}

async function execute(
  agent: Agent,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<ExecReply> {
  const stdin = request.stdin === undefined ? "ignore" : "pipe";
  const child = await startCommand(agent, request, { stdio: [stdin, "pipe", "pipe"] });
  // A program need not read what it is sent: EPIPE is its choice.
  child.stdin?.on("error", () => {});
  child.stdin?.end(request.stdin);
  let timedOut = false;
  const expire = (): void => {
    timedOut = true;
    signalGroup(child, "SIGKILL");
  };
  const timer = request.timeoutMs === undefined ? undefined : setTimeout(expire, request.timeoutMs);
  const onAbort = (): void => endGroup(child, "SIGHUP");
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const streams = [child.stdout as Readable, child.stderr as Readable] as const;
    const stdout = new BoundedText(streams[0]);
    const stderr = new BoundedText(streams[1]);
    const { exitCode, signal: killedBy } = await whenEnded(child, streams);
    return {
      exitCode,
      signal: killedBy,
      stdout: stdout.text(),
      stderr: stderr.text(),
      truncated: stdout.truncated || stderr.truncated,
      timedOut,
    };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Keeps the beginning and reads on to the end, so that the writer is never held up. */
class BoundedText {
  truncated = false;
  readonly #chunks: Buffer[] = [];
  #sizeBytes = 0;

  constructor(stream: Readable) {
    stream.on("data", (chunk: Buffer) => {
      const room = EXEC_OUTPUT_MAX_BYTES - this.#sizeBytes;
      if (chunk.length > room) this.truncated = true;
      if (room <= 0) return;
      const kept = chunk.subarray(0, room);
      this.#chunks.push(kept);
      this.#sizeBytes += kept.length;
    });
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
