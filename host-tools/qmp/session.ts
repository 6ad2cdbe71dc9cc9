/**
 * The state of one QMP connection over a connected socket. Invariants: every command gets exactly one
 * outcome (reply, timeout, abort or disconnect); replies are matched by id, never by order; a late
 * reply to a command that was given up is ignored, a reply to a command never sent ends the connection.
 */
import type { Socket } from "node:net";
import { HostError } from "../errors.ts";
import {
  missingMember,
  type QmpArguments,
  type QmpCommandName,
  type QmpEventData,
  type QmpEventName,
  type QmpReturn,
  qmpCommands,
  qmpEvents,
} from "./commands.ts";
import { outcome } from "./deadline.ts";
import { EventQueue } from "./event-queue.ts";
import {
  encodeQmpCommand,
  QmpDecoder,
  type QmpEvent,
  type QmpGreeting,
  type QmpReply,
} from "./wire.ts";

/** How long connecting, and each command, may take unless the caller says otherwise. */
export const QMP_REPLY_TIMEOUT_MS = 5_000;
/** Events that may wait for a slow `for await` consumer. */
export const QMP_EVENT_CAPACITY = 1_024;

export interface QmpWait {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface QmpEventOf<Name extends QmpEventName> extends QmpEvent {
  readonly name: Name;
  readonly data: QmpEventData<Name> & Readonly<Record<string, unknown>>;
}

export type ExecuteRest<Name extends QmpCommandName> =
  object extends QmpArguments<Name>
    ? [argument?: QmpArguments<Name>, wait?: QmpWait]
    : [argument: QmpArguments<Name>, wait?: QmpWait];

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly command: string;
}

export class QmpSession {
  readonly greeted: Promise<void>;
  readonly ended: Promise<HostError>;
  readonly #socket: Socket;
  readonly #path: string;
  readonly #decoder = new QmpDecoder();
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  /** Told when the connection ends, after the pending commands. */
  readonly #mourners = new Set<(reason: HostError) => void>();
  #lastId = 0;
  #greeting: QmpGreeting | undefined;
  #failure: HostError | undefined;
  #onGreeting: () => void = () => {};

  constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    this.ended = new Promise((resolve) => this.#mourners.add(resolve));
    this.greeted = new Promise((resolve, reject) => {
      this.#onGreeting = resolve;
      this.#mourners.add(reject);
    });
    this.greeted.catch(() => {});
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (cause: NodeJS.ErrnoException) => this.#end(this.#disconnected(cause)));
    socket.on("close", () => this.#end(this.#disconnected()));
  }

  get greeting(): QmpGreeting {
    if (!this.#greeting) throw new TypeError("the greeting has not arrived yet");
    return this.#greeting;
  }

  get connected(): boolean {
    return this.#failure === undefined;
  }

  async execute<Name extends QmpCommandName>(
    name: Name,
    ...[argument, wait = {}]: ExecuteRest<Name>
  ): Promise<QmpReturn<Name>> {
    wait.signal?.throwIfAborted();
    if (this.#failure) throw this.#failure;
    const { timeoutMs = QMP_REPLY_TIMEOUT_MS } = wait;
    this.#lastId += 1;
    const id = this.#lastId;
    const reply = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, command: name });
    });
    this.#socket.write(encodeQmpCommand(name, argument, id));
    try {
      const value = await outcome(reply, {
        signal: wait.signal,
        timeoutMs,
        expired: () =>
          new HostError("WL_QMP_TIMEOUT", `QEMU did not answer "${name}" in ${timeoutMs} ms`, {
            next: "Check whether QEMU hangs; stopping the instance by force still works",
            detail: { command: name, path: this.#path },
          }),
      });
      const lacking = missingMember(qmpCommands[name].returns, value);
      if (lacking === undefined) return value as QmpReturn<Name>;
      throw new HostError("WL_QMP_PROTOCOL", `QEMU's reply to "${name}" lacks "${lacking}"`, {
        next: "Check that QEMU is version 7.0 or later",
        detail: { command: name, reply: value },
      });
    } finally {
      this.#pending.delete(id);
    }
  }

  waitForEvent<Name extends QmpEventName>(
    name: Name,
    options: QmpWait & { readonly predicate?: (event: QmpEventOf<Name>) => boolean } = {},
  ): Promise<QmpEventOf<Name>> {
    const { signal, timeoutMs, predicate = () => true } = options;
    let release = () => {};
    const arrival = new Promise<QmpEventOf<Name>>((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      const stopListening = this.listen((event) => {
        if (!isNamed(event, name)) return;
        try {
          if (predicate(event)) resolve(event);
        } catch (error) {
          reject(error);
        }
      });
      this.#mourners.add(reject);
      release = () => {
        stopListening();
        this.#mourners.delete(reject);
      };
    });
    const result = outcome(arrival, {
      signal,
      timeoutMs,
      expired: () =>
        new HostError("WL_QMP_TIMEOUT", `QEMU sent no ${name} event in ${timeoutMs} ms`, {
          detail: { event: name, path: this.#path },
        }),
    }).finally(() => release());
    result.catch(() => {});
    return result;
  }

  listen(listener: (event: QmpEvent) => void): () => void {
    // A wrapper of its own for every call, so that one function may listen twice.
    const entry = (event: QmpEvent): void => listener(event);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  events(options: { readonly capacity?: number } = {}): AsyncIterableIterator<QmpEvent, undefined> {
    const capacity = options.capacity ?? QMP_EVENT_CAPACITY;
    const fail = (reason: HostError): void => queue.fail(reason);
    const queue = new EventQueue<QmpEvent>({
      capacity,
      overflow: () =>
        new HostError("WL_QMP_PROTOCOL", `More than ${capacity} QMP events wait to be read`, {
          next: "Read events faster, or ask for a larger capacity",
        }),
      release: () => {
        stopListening();
        this.#mourners.delete(fail);
      },
    });
    const stopListening = this.listen((event) => queue.push(event));
    if (this.#failure) queue.fail(this.#failure);
    else this.#mourners.add(fail);
    return queue;
  }

  async close(): Promise<void> {
    this.#end(
      new HostError("WL_QMP_DISCONNECTED", `The connection to "${this.#path}" was closed`, {
        detail: { path: this.#path },
      }),
    );
    if (!this.#socket.closed) {
      await new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  toJSON(): object {
    return { path: this.#path, connected: this.connected };
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#decoder.push(chunk)) {
        if (this.#failure) return;
        switch (message.kind) {
          case "greeting":
            this.#greeting = message;
            this.#onGreeting();
            break;
          case "event":
            this.#deliver(message);
            break;
          case "return":
          case "error":
            this.#settle(message);
            break;
        }
      }
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.#end(error);
    }
  }

  #deliver(event: QmpEvent): void {
    const known = qmpEvents[event.name as QmpEventName];
    const lacking = known && missingMember(known.data, event.data);
    if (lacking !== undefined) {
      throw new HostError("WL_QMP_PROTOCOL", `QEMU's event ${event.name} lacks "${lacking}"`);
    }
    for (const listener of [...this.#listeners]) listener(event);
  }

  #settle(reply: QmpReply): void {
    const { id } = reply;
    if (id === undefined || id < 1 || id > this.#lastId) {
      throw new HostError("WL_QMP_PROTOCOL", "QEMU answered a command that was never sent", {
        detail: { reply },
      });
    }
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    if (reply.kind === "return") {
      pending.resolve(reply.value);
      return;
    }
    pending.reject(
      new HostError(
        "WL_QMP_COMMAND_FAILED",
        `QEMU refused "${pending.command}": ${reply.description}`,
        { detail: { command: pending.command, class: reply.class, desc: reply.description } },
      ),
    );
  }

  #disconnected(cause?: NodeJS.ErrnoException): HostError {
    const connecting = this.#greeting === undefined;
    return new HostError(
      "WL_QMP_DISCONNECTED",
      connecting
        ? `Cannot connect to QEMU's monitor "${this.#path}": ${cause?.message ?? "it hung up"}`
        : `QEMU's monitor "${this.#path}" hung up`,
      {
        next: "Check that the machine runs and that the socket belongs to this user",
        detail: { path: this.#path, ...(cause?.code !== undefined && { errno: cause.code }) },
      },
      cause,
    );
  }

  #end(reason: HostError): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#socket.destroy();
    for (const pending of this.#pending.values()) pending.reject(reason);
    this.#pending.clear();
    for (const mourn of [...this.#mourners]) mourn(reason);
    this.#mourners.clear();
    this.#listeners.clear();
  }
}

function isNamed<Name extends QmpEventName>(
  event: QmpEvent,
  name: Name,
): event is QmpEventOf<Name> {
  return event.name === name;
}
