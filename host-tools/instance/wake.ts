/** Waking a machine that was saved: the host's end of the wake port. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { Parent } from "../../guest/api/parent.ts";
import { WAKE_ENTROPY_BYTES } from "../../guest/api/wake-message.ts";
import { HostError } from "../errors.ts";
import { portSocketId } from "../qemu/command-line.ts";
import type { Accelerator } from "../qemu/machine.ts";
import type { QemuProcess } from "../qemu/process.ts";
import type { QmpConnection } from "../qmp/connection.ts";
import { instanceDocument } from "./document.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { WAKE_PORT_NR } from "./machine-description.ts";
import { encodeWakeMessage } from "./wake-message.ts";

const CONNECT_TIMEOUT_MS = 5_000;
/**
 * How long the connection is kept after the message: the guest has read it long before. Hanging up earlier
 * would be one more event that a waking guest has to handle.
 */
const HANG_UP_MS = 10_000;
/** About as long as a program needs for its first answer; what else wakes would only compete for the CPU. */
const HEAD_START_MS: Readonly<Record<Accelerator, number>> = { kvm: 2, tcg: 80 };
export interface WakeOptions {
  readonly kind: "clone" | "resume";
  readonly record: InstanceRecord;
  readonly parent: Parent | null;
  readonly asleepMs: number;
  readonly accelerator: Accelerator;
  /** Late-bound variables and arguments, for the programs' hooks. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly args?: readonly string[] | undefined;
}

/** An open wake port. The guest sees an end of file on one that is not. */
export class WakePort implements Disposable {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    // A QEMU that ends takes its socket with it.
    socket.on("error", () => undefined);
  }

  /** That of a machine which was started with a channel (machine-description.ts). */
  static of({ channel }: Pick<QemuProcess, "channel">): WakePort {
    if (!channel) throw new TypeError("a QEMU without a channel has no wake port that is open");
    return new WakePort(channel);
  }

  /**
   * That of a machine which runs. A clone's QEMU does not listen yet: it had its channel.
   *
   * @throws {HostError} WL_QEMU_FAILED when it cannot be reached; or the signal's reason
   */
  static async open(
    path: string,
    { qmp, signal }: { qmp: QmpConnection; signal: AbortSignal | undefined },
  ): Promise<WakePort> {
    try {
      if (!existsSync(path)) await listen(qmp, path, signal);
      return new WakePort(await connected(path, signal));
    } catch (cause) {
      signal?.throwIfAborted();
      throw new HostError(
        "WL_QEMU_FAILED",
        `Cannot reach the machine's wake port "${path}"`,
        {
          next: "An instance that an older Windlass started has none: restart it",
        },
        cause,
      );
    }
  }

  /** Sends the message; the machine must run, or run soon. */
  send({ kind, record, parent, asleepMs, accelerator, env = {}, args = [] }: WakeOptions): void {
    const instance = instanceDocument(record);
    const { id, name, hostname } = instance;
    this.#socket.write(
      encodeWakeMessage({
        asleepMs,
        entropy: randomBytes(WAKE_ENTROPY_BYTES),
        macAddress: record.macAddress,
        nowMs: Date.now(),
        headStartMs: HEAD_START_MS[accelerator],
        document: { kind, parent, instance },
        record:
          kind === "resume"
            ? { kind }
            : { kind, instance: { id, name, hostname }, parent, env: { ...env }, args: [...args] },
      }),
    );
  }

  /** Hangs up when the guest has had its time, without keeping this program alive. */
  release(): void {
    this.#socket.unref();
    setTimeout(() => this.#socket.destroy(), HANG_UP_MS).unref();
  }

  /** Hangs up behind what was sent: of a machine that somebody may want to save again soon. */
  end(): void {
    this.#socket.unref();
    this.#socket.end();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/**
 * Tells the guest of a machine which goes on that nobody is at the other end of its wake port. One that stood still
 * was not told: QEMU passes over what happens to its ports meanwhile. And everything in it waits for a message if it
 * was to be saved and the program that did so was killed.
 */
export async function hangUpAgain(path: string): Promise<void> {
  if (!existsSync(path)) return; // Nobody was ever there, or it is a clone's first connection.
  const socket = await connected(path, undefined).catch(() => undefined);
  socket?.destroy();
}

async function listen(qmp: QmpConnection, path: string, signal?: AbortSignal): Promise<void> {
  const addr = { type: "unix", data: { path } } as const;
  const backend = { type: "socket", data: { addr, server: true, wait: false } } as const;
  await qmp.execute("chardev-change", { id: portSocketId(WAKE_PORT_NR), backend }, { signal });
}

async function connected(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  const socket = connect({ path });
  const deadline = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  try {
    await once(socket, "connect", {
      signal: AbortSignal.any([deadline, ...(signal ? [signal] : [])]),
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
