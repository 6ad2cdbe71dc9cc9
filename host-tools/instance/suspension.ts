/**
 * Machines that stand still: stopped by QEMU, in memory, until they are continued. Whether one does, only
 * QEMU knows; a small file beside its record says that it is worth asking, and since when.
 */
import { readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { replaceFile } from "../../image-builder/store/replace-file.ts";
import { HostError } from "../errors.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";
import { connectQmp, type QmpConnection } from "../qmp/connection.ts";
import { setClockRight } from "./guest-clock.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { hangUpAgain } from "./wake.ts";

/** A monitor that does not answer serves somebody who is just saving the machine. */
const STATUS_TIMEOUT_MS = 1_000;
/** For the agent of a machine that has just been continued. */
const CLOCK_TIMEOUT_MS = 10_000;
/** QEMU says that a migration has ended, or is cancelled, a moment before it lets the machine go on. */
const CONTINUE_TIMEOUT_MS = 5_000;
const CONTINUE_POLL_INTERVAL_MS = 20;

export interface Suspension {
  /** Host's clock when the machine was stopped, Unix time in milliseconds. */
  readonly stoppedAtMs: number;
  /** Of the launch that it was in: a later one stands still for reasons of its own. */
  readonly startedAt: string;
}

/** What the file says of this run of the instance, whether or not it is so by now. */
export async function readSuspension(
  record: InstanceRecord,
  { suspension: path }: Pick<InstanceFiles, "suspension">,
): Promise<Suspension | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return parseSuspension(text, record.launch?.startedAt);
}

/** What Windlass wrote about that launch; undefined for anything else. Pure. */
export function parseSuspension(
  text: string,
  startedAt: string | undefined,
): Suspension | undefined {
  try {
    const found: Partial<Suspension> | null = JSON.parse(text);
    const isOurs = startedAt !== undefined && found?.startedAt === startedAt;
    return isOurs && Number.isFinite(found.stoppedAtMs) ? (found as Suspension) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a machine that runs stands still. */
export async function isSuspended(record: InstanceRecord, files: InstanceFiles): Promise<boolean> {
  if (!(await readSuspension(record, files))) return false;
  try {
    const wait = { timeoutMs: STATUS_TIMEOUT_MS };
    await using qmp = await connectQmp({ path: files.qmpSocket, ...wait });
    return !(await qmp.execute("query-status", {}, wait)).running;
  } catch {
    return true;
  }
}

/**
 * Stops a machine. The file comes first: a machine that stood still without it would look as if it ran.
 *
 * @throws {HostError} WL_QMP_*; {ImageError} WL_IMAGE_IO; it runs on then
 */
export async function suspendMachine(
  qmp: QmpConnection,
  record: InstanceRecord,
  { suspension: path }: Pick<InstanceFiles, "suspension">,
): Promise<Suspension> {
  if (!record.launch) throw new TypeError("an instance that never started cannot be suspended");
  const suspension = { stoppedAtMs: Date.now(), startedAt: record.launch.startedAt };
  await replaceFile(path, JSON.stringify(suspension));
  try {
    await qmp.execute("stop");
    return suspension;
  } catch (error) {
    // When QEMU did not say no, it may still do it: then the file is right.
    if (error instanceof HostError && error.code === "WL_QMP_COMMAND_FAILED") {
      await rm(path, { force: true });
    }
    throw error;
  }
}

/**
 * Continues a machine and sets its clock right.
 *
 * @returns why the clock could not be set; the machine goes on then, too
 * @throws {HostError} WL_QMP_*; it stands still then
 */
export async function resumeMachine(
  qmp: QmpConnection,
  client: GuestClient,
  {
    stoppedAtMs,
    files,
  }: {
    readonly stoppedAtMs: number;
    readonly files: Pick<InstanceFiles, "suspension" | "wakeSocket">;
  },
): Promise<string | undefined> {
  await continueMachine(qmp);
  await hangUpAgain(files.wakeSocket);
  const stoodStillMs = Date.now() - stoppedAtMs;
  await rm(files.suspension, { force: true });
  return await clockProblem(client, stoodStillMs);
}

/**
 * Continues a machine that is stopped, also right after it was saved.
 *
 * @throws {HostError} WL_QMP_*
 */
export async function continueMachine(qmp: QmpConnection): Promise<void> {
  const deadlineMs = performance.now() + CONTINUE_TIMEOUT_MS;
  for (;;) {
    try {
      await qmp.execute("cont");
      return;
    } catch (error) {
      const isRefused = error instanceof HostError && error.code === "WL_QMP_COMMAND_FAILED";
      if (!isRefused || performance.now() > deadlineMs) throw error;
    }
    await delay(CONTINUE_POLL_INTERVAL_MS);
  }
}

/** @returns why that was not possible */
async function clockProblem(
  client: GuestClient,
  stoodStillMs: number,
): Promise<string | undefined> {
  try {
    await setClockRight(client, stoodStillMs, { timeoutMs: CLOCK_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `its clock may be ${(stoodStillMs / 1000).toFixed(1)} s behind: ${why}`;
  }
}
