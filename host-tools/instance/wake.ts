/** Waking a machine that was saved: the host's end of the wake port. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Parent } from "../../guest/api/parent.ts";
import { WAKE_ENTROPY_BYTES } from "../../guest/api/wake-message.ts";
import { HostError } from "../errors.ts";
import type { Accelerator } from "../qemu/machine.ts";
import { instanceDocument } from "./document.ts";
import type { InstanceRecord } from "./instance-record.ts";
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

  /** @throws {HostError} WL_QEMU_FAILED when QEMU does not listen; or the signal's reason */
  static async open(path: string, signal?: AbortSignal): Promise<WakePort> {
    const socket = connect({ path });
    const stop = AbortSignal.any([
      AbortSignal.timeout(CONNECT_TIMEOUT_MS),
      ...(signal ? [signal] : []),
    ]);
    try {
      await once(socket, "connect", { signal: stop });
    } catch (cause) {
      socket.destroy();
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
    return new WakePort(socket);
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

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
