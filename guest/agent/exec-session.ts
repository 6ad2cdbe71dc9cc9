/**
 * The upgraded exec: one connection, one command. Both directions are flow-controlled: a full
 * connection pauses the command's output, a full stdin pauses the connection. When the connection
 * goes, the command gets SIGHUP and, if it stays, SIGKILL.
 */
import type { ChildProcess, ChildProcessWithoutNullStreams } from "node:child_process";
import { chown } from "node:fs/promises";
import type { Duplex, Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";
import { type ExecExit, ExecOpen, ExecResize } from "../api/exec.ts";
import {
  type ExecFrame,
  ExecFrameDecoder,
  type ExecFrameType,
  encodeExecFrame,
} from "../api/exec-frame.ts";
import { EXEC_UPGRADE } from "../api/routes.ts";
import { AgentError } from "./agent-error.ts";
import { credentialsOf, endGroup, programPath, signalGroup, startCommand } from "./command.ts";
import { whenEnded } from "./command-end.ts";
import { errorReply } from "./error-reply.ts";
import type { Agent } from "./operation.ts";
import { knownSignal } from "./program.ts";
import { checked } from "./request-check.ts";

/** For the client's first frame. */
const OPEN_TIMEOUT_MS = 10_000;
/** Program that makes a session on a terminal, see `GuestSystem.ttyHelper`. */
const TTY_HELPER = ["/sbin/windlass-tty"];
/** What a terminal takes for the end of the input at the start of a line: ^D. */
const TTY_END_OF_INPUT = "\x04";
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** A started command as the session sees it. */
interface Started {
  readonly child: ChildProcess;
  readonly stdin: Writable;
  readonly outputs: readonly (readonly [ExecFrameType, Readable])[];
  readonly ended: Promise<ExecExit>;
  endInput(): void;
  resize?(size: ExecResize): void;
  close?(): void;
}

/** Serves one upgraded connection to its end. Never throws: refusals travel as `error` frames. */
export async function runExecSession(agent: Agent, socket: Duplex, head: Buffer): Promise<void> {
  const onClosing = (): void => {
    socket.destroy();
  };
  // HTTP's sockets stay half open. The end of stdin has a frame, so this is the end of the client.
  socket.once("end", () => socket.destroy());
  agent.closing.addEventListener("abort", onClosing, { once: true });
  if (agent.closing.aborted) onClosing();
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${EXEC_UPGRADE}\r\n\r\n`,
  );
  const frames = new ExecFrameDecoder();
  try {
    const { first, rest } = await firstFrame(socket, frames, head);
    const open = checked("open", ExecOpen, parseJson(first) as ExecOpen);
    const started = await (open.tty ? startTty(agent, open) : startPipes(agent, open));
    const exit = await converse(socket, frames, rest, started);
    socket.end(encodeExecFrame("exit", JSON.stringify(exit)));
  } catch (error) {
    if (!socket.destroyed) socket.end(encodeExecFrame("error", JSON.stringify(errorReply(error))));
  } finally {
    agent.closing.removeEventListener("abort", onClosing);
  }
}

/** @returns the first frame and those that came with it */
async function firstFrame(
  socket: Duplex,
  frames: ExecFrameDecoder,
  head: Buffer,
): Promise<{ first: ExecFrame; rest: ExecFrame[] }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(() => reject(badFrame("none came"))), OPEN_TIMEOUT_MS);
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      socket.pause();
      socket.off("data", onData);
      socket.off("close", onClose);
      settle();
    };
    const onClose = (): void => finish(() => reject(badFrame("the connection closed")));
    const onData = (chunk: Buffer): void => {
      try {
        const [first, ...rest] = frames.push(chunk);
        if (first?.type === "open") finish(() => resolve({ first, rest }));
        else if (first) finish(() => reject(badFrame(`it is ${first.type}`)));
      } catch (error) {
        finish(() => reject(badFrame(error instanceof Error ? error.message : String(error))));
      }
    };
    socket.on("data", onData);
    socket.on("close", onClose);
    if (head.length > 0) onData(head);
  });
}

/** Passes frames both ways until the command has ended and its output is sent. */
async function converse(
  socket: Duplex,
  frames: ExecFrameDecoder,
  waiting: readonly ExecFrame[],
  started: Started,
): Promise<ExecExit> {
  const { child, stdin, outputs } = started;
  const takeAll = (arrived: Iterable<ExecFrame>): void => {
    try {
      for (const frame of arrived) take(frame);
    } catch {
      // The peer does not speak the protocol any more.
      socket.destroy();
    }
  };
  const onData = (chunk: Buffer): void => takeAll(frames.push(chunk));
  const take = (frame: ExecFrame): void => {
    if (frame.type === "stdin") {
      if (!stdin.writable || stdin.write(frame.payload)) return;
      socket.pause();
    } else if (frame.type === "stdin-eof") started.endInput();
    else if (frame.type === "signal") signalGroup(child, knownSignal(frame.payload.toString()));
    else if (frame.type === "resize") {
      started.resize?.(checked("resize", ExecResize, parseJson(frame) as ExecResize));
    } else throw badFrame(`${frame.type} is not the client's to send`);
  };
  const onDrain = (): void => {
    socket.resume();
  };
  stdin.on("drain", onDrain);
  stdin.on("close", onDrain);
  // A program need not read what it is sent: EPIPE is its choice.
  stdin.on("error", onDrain);
  const onClose = (): void => endGroup(child, "SIGHUP");
  socket.on("close", onClose);
  for (const [type, stream] of outputs) forward(type, stream, socket);
  try {
    if (socket.destroyed) onClose();
    takeAll(waiting);
    socket.on("data", onData);
    socket.resume();
    return await started.ended;
  } finally {
    socket.off("data", onData);
    socket.off("close", onClose);
    started.close?.();
    // What the client still sends is dropped, so that its end can arrive.
    if (!socket.destroyed) socket.resume();
  }
}

function forward(type: ExecFrameType, stream: Readable, socket: Duplex): void {
  stream.on("data", (chunk: Buffer) => {
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.write(encodeExecFrame(type, chunk))) return;
    stream.pause();
    socket.once("drain", () => stream.resume());
  });
  // Nobody listens any more: read on, so that the command is not held up.
  socket.once("close", () => stream.resume());
}

async function startPipes(agent: Agent, open: ExecOpen): Promise<Started> {
  const child = await startCommand(agent, open, { stdio: ["pipe", "pipe", "pipe"] });
  const { stdin, stdout, stderr } = child as ChildProcessWithoutNullStreams;
  return {
    child,
    stdin,
    outputs: [
      ["stdout", stdout],
      ["stderr", stderr],
    ],
    ended: whenEnded(child, [stdout, stderr]),
    endInput: () => stdin.end(),
  };
}

async function startTty(agent: Agent, open: ExecOpen): Promise<Started> {
  const { openPty, ttyHelper = TTY_HELPER } = agent.system;
  if (openPty === undefined) {
    throw new AgentError("WL_AGENT_UNSUPPORTED", "This guest has no terminals: leave tty out");
  }
  const [, ...args] = open.argv;
  const program = await programPath(agent, open);
  const pty = openPty.call(
    agent.system,
    open.columns ?? DEFAULT_COLUMNS,
    open.rows ?? DEFAULT_ROWS,
  );
  const master = new ReadStream(pty.masterFd);
  // Linux ends the master's reads with EIO when the last process has left the terminal.
  master.on("error", () => master.destroy());
  try {
    if (open.user !== undefined) {
      const { uid, gid } = await credentialsOf(agent, open.user);
      await chown(pty.slavePath, uid, gid);
    }
    const child = await startCommand(
      agent,
      {
        ...open,
        argv: [...ttyHelper, pty.slavePath, program, ...args],
        env: { TERM: "xterm-256color", ...open.env },
      },
      // Not detached: a group leader could not make the session that the terminal needs.
      { stdio: "ignore", detached: false },
    );
    return {
      child,
      stdin: master,
      outputs: [["stdout", master]],
      ended: whenEnded(child, [master]),
      endInput: () => master.write(TTY_END_OF_INPUT),
      resize: ({ columns, rows }) => pty.resize(columns, rows),
      close: () => master.destroy(),
    };
  } catch (error) {
    master.destroy();
    throw error;
  }
}

function parseJson(frame: ExecFrame): unknown {
  try {
    return JSON.parse(frame.payload.toString("utf8"));
  } catch (error) {
    throw badFrame(`${frame.type} is not JSON: ${(error as Error).message}`);
  }
}

function badFrame(why: string): AgentError {
  return new AgentError("WL_AGENT_BAD_REQUEST", `Bad exec frame: ${why}`);
}
