/**
 * Saving and loading the state of a machine: QEMU's migration (docs/devel/migration.rst) to and from a
 * file. With RAM in a shared file (machine.ts, MemoryFile) the state is only that of CPU and devices,
 * some hundred kilobytes; else it has all memory that is not zero.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type FileHandle, open, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { HostError } from "../errors.ts";
import type { QmpConnection } from "../qmp/connection.ts";
import type { QmpWait } from "../qmp/session.ts";

/** No limit: the other end is this host. Bytes per second. */
const BANDWIDTH = 64 * 1024 ** 3;
/** Memory at some hundred megabytes a second, on a busy host. */
const STATE_TIMEOUT_MS = 600_000;

export interface SaveOptions {
  /** New file for the state. On failure nothing is left of it. */
  readonly path: string;
  /** Where QEMU sends it to; a Unix socket that is made and removed. */
  readonly socketPath: string;
  /** Leaves out RAM that is in a shared file. */
  readonly withoutSharedMemory: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface SavedState {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * Saves a machine that is stopped. It can go on afterwards.
 *
 * @returns size and digest of the file
 * @throws {HostError} WL_QEMU_FAILED with QEMU's words, WL_HOST_IO when the file cannot be written
 */
export async function saveState(qmp: QmpConnection, options: SaveOptions): Promise<SavedState> {
  await using state = await prepareState(qmp, options);
  return await state.save();
}

/** Everything that saving a machine needs and that can be had while it still runs. */
export interface PreparedState extends AsyncDisposable {
  /** As `saveState`. */
  save(): Promise<SavedState>;
}

/**
 * The file is removed when the machine is not saved.
 *
 * @throws what `saveState` throws
 */
export async function prepareState(
  qmp: QmpConnection,
  { path, socketPath, withoutSharedMemory, signal }: SaveOptions,
): Promise<PreparedState> {
  await rm(socketPath, { force: true });
  const server = createServer().listen(socketPath);
  let file: FileHandle | undefined;
  let isSaved = false;
  const dispose = async (): Promise<void> => {
    server.close();
    await file?.close();
    await rm(socketPath, { force: true });
    if (!isSaved) await rm(path, { force: true });
  };
  const save = async (into: FileHandle): Promise<SavedState> => {
    try {
      const written = receive(server, into, signal);
      written.catch(() => undefined); // Looked at below.
      const ended = migrationEnd(qmp, signal);
      ended.catch(() => undefined); // So is this.
      await qmp.execute("migrate", { uri: `unix:${socketPath}` }, { signal });
      await Promise.race([ended, written]); // A file that cannot be written ends it first.
      const [result] = await Promise.all([written, ended]);
      isSaved = true;
      return result;
    } catch (error) {
      await qmp.execute("migrate_cancel").catch(() => undefined);
      signal?.throwIfAborted();
      throw ioError(error, path);
    }
  };
  try {
    await once(server, "listening", signal ? { signal } : {});
    const opened = await open(path, "wx", 0o600);
    file = opened;
    // QEMU takes them one after the other.
    await Promise.all([allowMigration(qmp, withoutSharedMemory), allowBandwidth(qmp)]);
    return { save: () => save(opened), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    signal?.throwIfAborted();
    throw ioError(error, path);
  }
}

/**
 * Loads a state into a machine that was started with `incoming`. It goes on by itself then, unless it was started
 * paused.
 *
 * @param fd what QEMU inherited: the open file
 * @throws {HostError} WL_QEMU_FAILED when QEMU cannot use it
 */
export async function loadState(
  qmp: QmpConnection,
  {
    fd,
    withoutSharedMemory,
    signal,
  }: { fd: number; withoutSharedMemory: boolean; signal?: AbortSignal | undefined },
): Promise<void> {
  const ended = migrationEnd(qmp, signal);
  // QEMU takes them one after the other; each answer waited for is a millisecond of a clone's start.
  const wait = { signal, timeoutMs: STATE_TIMEOUT_MS };
  await Promise.all([
    allowMigration(qmp, withoutSharedMemory, wait),
    qmp.execute("migrate-incoming", { uri: `fd:${fd}` }, wait),
    ended,
  ]);
}

/** Sets what every migration of ours needs. */
export async function allowMigration(
  qmp: QmpConnection,
  withoutSharedMemory: boolean,
  wait: QmpWait = {},
): Promise<void> {
  const events = { capability: "events", state: true } as const;
  const shared = { capability: "x-ignore-shared", state: withoutSharedMemory } as const;
  await qmp.execute("migrate-set-capabilities", { capabilities: [events, shared] }, wait);
}

/** For the end that sends. */
export async function allowBandwidth(qmp: QmpConnection): Promise<void> {
  await qmp.execute("migrate-set-parameters", { "max-bandwidth": BANDWIDTH });
}

/** Fulfilled when the migration that is about to begin has ended well; listens from now on. */
export async function migrationEnd(qmp: QmpConnection, signal?: AbortSignal): Promise<void> {
  const event = await qmp.waitForEvent("MIGRATION", {
    predicate: ({ data }) => ["completed", "failed", "cancelled"].includes(data.status),
    timeoutMs: STATE_TIMEOUT_MS,
    signal,
  });
  if (event.data.status === "completed") return;
  const { "error-desc": why } = await qmp.execute("query-migrate");
  throw new HostError(
    "WL_QEMU_FAILED",
    `QEMU could not move the machine's state: ${why ?? event.data.status}`,
    { next: "See QEMU's log of the instance" },
  );
}

/** Writes what the first connection sends. */
async function receive(
  server: Server,
  file: FileHandle,
  signal?: AbortSignal,
): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const [socket] = await once(server, "connection", signal ? { signal } : {});
  for await (const chunk of socket) {
    hash.update(chunk);
    await file.write(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}

function ioError(error: unknown, path: string): unknown {
  const cause = error as NodeJS.ErrnoException;
  if (cause.syscall !== "write" && cause.syscall !== "open") return error;
  return new HostError(
    "WL_HOST_IO",
    `Cannot write the machine's state to "${path}": ${cause.message}`,
    { next: "Free space on that disk, and try again" },
    cause,
  );
}
