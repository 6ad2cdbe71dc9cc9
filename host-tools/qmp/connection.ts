/**
 * The way to one QEMU's monitor. QEMU serves one client per monitor socket at a time and lets others
 * wait in silence, so connections should be short-lived.
 */
import { connect, type Socket } from "node:net";
import { HostError } from "../errors.ts";
import type { QmpCommandName, QmpEventName, QmpReturn } from "./commands.ts";
import { outcome } from "./deadline.ts";
import {
  type ExecuteRest,
  QMP_REPLY_TIMEOUT_MS,
  type QmpEventOf,
  QmpSession,
  type QmpWait,
} from "./session.ts";
import type { QmpEvent, QmpGreeting } from "./wire.ts";

/** Bytes a socket path may have: sun_path of unix(7) has 108, the last is zero. */
export const UNIX_SOCKET_PATH_LIMIT_BYTES = 107;

export interface QmpConnection extends AsyncDisposable {
  readonly greeting: QmpGreeting;
  /** Whether commands can still be sent. */
  readonly connected: boolean;
  /** Fulfilled with the reason when the connection has ended, whoever ended it. Never rejects. */
  readonly ended: Promise<HostError>;

  /**
   * Sends a command and waits for its reply. Giving up (abort, timeout) does not take the command
   * back: QEMU may still carry it out.
   *
   * @throws {HostError} WL_QMP_COMMAND_FAILED with QEMU's `class` and `desc` in `facts.detail`,
   *   WL_QMP_TIMEOUT, WL_QMP_DISCONNECTED, WL_QMP_PROTOCOL; or the signal's reason
   */
  execute<Name extends QmpCommandName>(
    name: Name,
    ...rest: ExecuteRest<Name>
  ): Promise<QmpReturn<Name>>;

  /**
   * The next event of that name which satisfies `predicate`. Listens from the moment of the call, so
   * call it before the command that causes the event and await it after. A promise that nobody awaits
   * any more does no harm.
   *
   * @throws {HostError} WL_QMP_TIMEOUT when `timeoutMs` is given, WL_QMP_DISCONNECTED; or the
   *   signal's reason
   */
  waitForEvent<Name extends QmpEventName>(
    name: Name,
    options?: QmpWait & { readonly predicate?: (event: QmpEventOf<Name>) => boolean },
  ): Promise<QmpEventOf<Name>>;

  /** Calls `listener` with every event from now on. @returns the way to stop it */
  listen(listener: (event: QmpEvent) => void): () => void;

  /**
   * All events from the moment of the call, for `for await`. Ends with WL_QMP_DISCONNECTED, or with
   * WL_QMP_PROTOCOL when the consumer falls more than `capacity` events behind.
   */
  events(options?: { readonly capacity?: number }): AsyncIterableIterator<QmpEvent, undefined>;

  /** Hangs up; QEMU goes on. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects to a monitor, reads the greeting and leaves negotiation mode.
 *
 * @param options.timeoutMs for all of it; default 5 000
 * @throws {HostError} WL_QMP_DISCONNECTED when nobody listens (`facts.detail.errno` says why),
 *   WL_QMP_TIMEOUT when no greeting comes, WL_QMP_PROTOCOL when it is no QMP; or the signal's reason
 */
export async function connectQmp(
  options: { readonly path: string } & QmpWait,
): Promise<QmpConnection> {
  const { path, signal, timeoutMs = QMP_REPLY_TIMEOUT_MS } = options;
  if (Buffer.byteLength(path) > UNIX_SOCKET_PATH_LIMIT_BYTES) {
    throw new HostError(
      "WL_QMP_DISCONNECTED",
      `Cannot connect to "${path}": a socket path has at most ${UNIX_SOCKET_PATH_LIMIT_BYTES} bytes`,
      { next: "Use a shorter folder for the instance's sockets" },
    );
  }
  signal?.throwIfAborted();
  const { qmp, negotiated } = beginQmp(connect({ path }), path, { signal, timeoutMs });
  await negotiated;
  return qmp;
}

export interface QmpBeginning {
  /** Takes commands at once; QEMU sees them after the first. */
  readonly qmp: QmpConnection;
  /** Fulfilled when QEMU has greeted and left negotiation mode; else the connection is closed. */
  readonly negotiated: Promise<void>;
}

/**
 * The same over a socket that is connected, or about to be: QEMU may not even run yet, and finds what was sent
 * when it does.
 *
 * @param path what errors call it
 */
export function beginQmp(
  socket: Socket,
  path: string,
  { signal, timeoutMs = QMP_REPLY_TIMEOUT_MS }: QmpWait = {},
): QmpBeginning {
  const session = new QmpSession(socket, path);
  const capabilities = session.execute("qmp_capabilities", {}, { signal, timeoutMs });
  capabilities.catch(() => undefined); // Looked at below.
  const negotiate = async (): Promise<void> => {
    try {
      await outcome(session.greeted, {
        signal,
        timeoutMs,
        expired: () =>
          new HostError("WL_QMP_TIMEOUT", `QEMU sent no greeting on "${path}" in ${timeoutMs} ms`, {
            next: "Check whether another program holds this monitor, or whether QEMU hangs",
          }),
      });
      await capabilities;
    } catch (error) {
      await session.close();
      throw error;
    }
  };
  const negotiated = negotiate();
  negotiated.catch(() => undefined); // Its caller may wait for something else first.
  return { qmp: session, negotiated };
}
