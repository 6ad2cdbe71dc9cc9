/** A command in the guest that is talked to while it runs. */
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { PassThrough, Writable } from "node:stream";
import type { ErrorReply } from "../../guest/api/error-reply.ts";
import type { ExecExit, ExecOpen } from "../../guest/api/exec.ts";
import { type ExecFrame, ExecFrameDecoder, encodeExecFrame } from "../../guest/api/exec-frame.ts";
import { EXEC_UPGRADE, routes } from "../../guest/api/routes.ts";
import { type Exchange, type ExchangeOptions, protocolError, refusedWith } from "./exchange.ts";

/** Stdin travels in pieces of at most this. */
const STDIN_CHUNK_BYTES = 64 * 1024;

export interface ExecSession extends AsyncDisposable {
  /** Ending it closes the command's stdin. */
  readonly stdin: Writable;
  /** Has to be read: a full stream holds the command up. */
  readonly stdout: PassThrough;
  /** Has to be read; empty when the command has a terminal. */
  readonly stderr: PassThrough;
  /**
   * How the command ended; its output has ended then too.
   * @throws {HostError} WL_GUEST_REFUSED when it could not be started, WL_GUEST_UNREACHABLE when the
   * connection was lost; the signal's reason when it was aborted
   */
  readonly exit: Promise<ExecExit>;
  /** Sends a signal, `SIGTERM`, to the command and what it started. */
  signal(name: string): void;
  /** Of the terminal, in characters. */
  resize(columns: number, rows: number): void;
  /** Breaks the connection off; a command that still runs gets SIGHUP. */
  close(): Promise<void>;
}

/** @throws {HostError} WL_GUEST_UNREACHABLE or WL_GUEST_REFUSED */
export async function openExecSession(
  exchange: Exchange,
  open: ExecOpen,
  options: ExchangeOptions,
): Promise<ExecSession> {
  const socket = await upgrade(exchange, options);
  socket.write(encodeExecFrame("open", JSON.stringify(open)));
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const stdin = stdinOf(socket);
  const exit = receive(exchange, socket, { stdout, stderr, command: open.argv[0] ?? "" }, options);
  // Whoever only reads the output must not be struck by an unhandled rejection.
  exit.catch(() => {});
  const send = (...frame: Parameters<typeof encodeExecFrame>): void => {
    if (socket.writable) socket.write(encodeExecFrame(...frame));
  };
  const close = async (): Promise<void> => {
    socket.destroy();
    await exit.catch(() => {});
  };
  return {
    stdin,
    stdout,
    stderr,
    exit,
    signal: (name) => send("signal", name),
    resize: (columns, rows) => send("resize", JSON.stringify({ columns, rows })),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function upgrade(exchange: Exchange, { signal, timeoutMs }: ExchangeOptions): Promise<Duplex> {
  signal?.throwIfAborted();
  const { host, port } = exchange.address;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host,
      port,
      method: routes.exec.method,
      path: routes.exec.path,
      // A connection of its own, which the upgrade takes over.
      agent: false,
      headers: { ...exchange.headers, connection: "Upgrade", upgrade: EXEC_UPGRADE },
    });
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = (): void => {
      finish(() => reject(signal?.reason));
      outgoing.destroy();
    };
    const late = (): void => {
      outgoing.destroy(new Error(`no reply within ${timeoutMs} ms`));
    };
    const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
    signal?.addEventListener("abort", onAbort, { once: true });
    outgoing.once("upgrade", (_reply: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      finish(() => resolve(socket));
    });
    outgoing.once("response", (reply) => {
      finish(() => exchange.refusal(reply, "exec", signal).then(reject, reject));
    });
    outgoing.on("error", (error) => finish(() => reject(exchange.unreachable(error))));
    outgoing.end();
  });
}

function stdinOf(socket: Duplex): Writable {
  return new Writable({
    decodeStrings: true,
    write(chunk: Buffer, _encoding, done) {
      let flowing = true;
      for (let at = 0; at < chunk.length; at += STDIN_CHUNK_BYTES) {
        if (!socket.writable) break;
        const piece = chunk.subarray(at, at + STDIN_CHUNK_BYTES);
        flowing = socket.write(encodeExecFrame("stdin", piece));
      }
      if (flowing || !socket.writable) return done();
      const go = (): void => {
        socket.off("drain", go);
        socket.off("close", go);
        done();
      };
      socket.on("drain", go);
      socket.on("close", go);
    },
    final(done) {
      if (socket.writable) socket.write(encodeExecFrame("stdin-eof"));
      done();
    },
  });
}

interface Outputs {
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  readonly command: string;
}

/** Deals frames out until the last one; ends the outputs however it ends. */
async function receive(
  exchange: Exchange,
  socket: Duplex,
  { stdout, stderr, command }: Outputs,
  { signal }: ExchangeOptions,
): Promise<ExecExit> {
  const frames = new ExecFrameDecoder();
  const onAbort = (): void => {
    socket.destroy();
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      for (const frame of frames.push(chunk)) {
        if (frame.type === "exit") return json<ExecExit>(frame);
        if (frame.type === "error") {
          const reply = json<ErrorReply>(frame);
          throw refusedWith(reply.statusCode, reply, `to run "${command}"`);
        }
        const output = frame.type === "stdout" ? stdout : stderr;
        // Waiting here stops the reading of the socket, and so in the end the command.
        if (!output.write(frame.payload)) await drained(output, socket);
      }
    }
    throw exchange.unreachable(new Error("the connection ended before the command"));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof RangeError) throw protocolError(error.message, error);
    throw error instanceof Error && error.name === "HostError"
      ? error
      : exchange.unreachable(error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
    stdout.end();
    stderr.end();
  }
}

function drained(output: PassThrough, socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      output.off("drain", go);
      output.off("close", go);
      socket.off("close", go);
      resolve();
    };
    output.on("drain", go);
    output.on("close", go);
    socket.on("close", go);
  });
}

function json<T>(frame: ExecFrame): T {
  try {
    return JSON.parse(frame.payload.toString("utf8")) as T;
  } catch (error) {
    throw protocolError(`the frame ${frame.type} is not JSON`, error);
  }
}
