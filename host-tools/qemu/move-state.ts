/** Copying a stopped machine into another QEMU on this host, memory and all: a local migration. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { QmpConnection } from "../qmp/connection.ts";
import { allowBandwidth, allowMigration, migrationEnd } from "./saved-state.ts";

const LISTEN_TIMEOUT_MS = 2_000;
const LISTEN_POLL_INTERVAL_MS = 5;

export interface MoveOptions {
  /** A Unix socket that the target listens on meanwhile. */
  readonly socketPath: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param source stopped; it can go on afterwards
 * @param target started with `incoming` and paused, for a machine with the same traits; it is stopped afterwards
 * @throws {HostError} WL_QEMU_FAILED with QEMU's words
 */
export async function copyState(
  source: QmpConnection,
  target: QmpConnection,
  { socketPath, signal }: MoveOptions,
): Promise<void> {
  await rm(socketPath, { force: true });
  try {
    await allowMigration(target, false);
    const arrived = migrationEnd(target, signal);
    await target.execute("migrate-incoming", { uri: `unix:${socketPath}` }, { signal });
    await appears(socketPath, signal);
    await allowMigration(source, false);
    await allowBandwidth(source);
    const left = migrationEnd(source, signal);
    await source.execute("migrate", { uri: `unix:${socketPath}` }, { signal });
    await Promise.all([left, arrived]);
  } catch (error) {
    await source.execute("migrate_cancel").catch(() => undefined);
    throw error;
  } finally {
    await rm(socketPath, { force: true });
  }
}

/** Seen once on a busy host: the source was told to connect before there was anything. */
async function appears(path: string, signal: AbortSignal | undefined): Promise<void> {
  const deadlineMs = performance.now() + LISTEN_TIMEOUT_MS;
  while (!existsSync(path) && performance.now() < deadlineMs) {
    await delay(LISTEN_POLL_INTERVAL_MS, undefined, signal ? { signal } : {});
  }
}
