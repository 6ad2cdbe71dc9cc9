/**
 * What an instance is doing, found out from the process and its journal: the record says what was, the
 * process table says what is. A CLI that was killed half-way leaves nothing that misleads.
 */
import { readFile } from "node:fs/promises";
import { identifyProcess, isAlive, type ProcessIdentity } from "../qemu/process-identity.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { InstanceRecord } from "./instance-record.ts";
import type { InstanceState } from "./instance-state.ts";
import { isSuspended } from "./suspension.ts";

export interface Observation {
  readonly state: InstanceState;
  /** Of the QEMU that runs. */
  readonly process?: ProcessIdentity;
}

export async function observe(record: InstanceRecord, files: InstanceFiles): Promise<Observation> {
  const { launch } = record;
  if (launch && (await isAlive(launch.process))) {
    const state = (await isSuspended(record, files)) ? "suspended" : "running";
    return { state, process: launch.process };
  }
  // A QEMU whose start was not recorded: the CLI was killed between the two.
  const stray = await processOf(files);
  if (stray) return { state: "running", process: stray };
  return { state: launch ? "exited" : "created" };
}

/** The process of the instance's pid file, if it is a QEMU of this instance. */
async function processOf(files: InstanceFiles): Promise<ProcessIdentity | undefined> {
  const pid = Number(await readFile(files.pid, "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  const identity = await identifyProcess(pid);
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return identity && commandLine.split("\0").includes(files.pid) ? identity : undefined;
}
