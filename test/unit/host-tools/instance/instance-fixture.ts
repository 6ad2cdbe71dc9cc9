/** Instances that were never started by a QEMU: records, files and folders made to order. */
import { mkdir, writeFile } from "node:fs/promises";
import type { JournalRecord } from "../../../../guest/api/journal.ts";
import type { ProgramSpec } from "../../../../guest/api/program.ts";
import type { InstanceFiles } from "../../../../host-tools/instance/instance-files.ts";
import type { InstanceRecord, Launch } from "../../../../host-tools/instance/instance-record.ts";
import { InstanceStore } from "../../../../host-tools/instance/instance-store.ts";
import type { Folders } from "../../../../image-builder/store/folders.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

export const programSpec: ProgramSpec = {
  argv: ["/usr/local/bin/node", "/app/server.js"],
  env: {},
  workdir: "/app",
  user: "root",
  ports: [],
  restart: { policy: "no", maxRetries: 0 },
  onExit: "poweroff",
  stopSignal: "SIGTERM",
  isNode: true,
};

/** A process that has never been: its number is beyond the kernel's greatest (PID_MAX_LIMIT). */
export const DEAD_PROCESS = { pid: 4_194_305, startTicks: 1, bootId: "none" } as const;

export const launch: Launch = {
  startedAt: "2026-01-01T00:00:00.000Z",
  accelerator: "tcg",
  acceleratorReason: "test",
  process: DEAD_PROCESS,
  agentPort: 1,
  forwards: [],
  journalOffset: 0,
};

export function instanceRecord(changes: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    schemaVersion: 1,
    id: "0123456789ab",
    name: "web",
    imageId: "f".repeat(64),
    imageName: "hello:latest",
    createdAt: "2026-01-01T00:00:00.000Z",
    macAddress: "52:57:01:23:45:67",
    tokens: { admin: "admin-token", monitor: "monitor-token" },
    options: {
      memoryMib: 256,
      vcpuCount: 1,
      accelerator: "tcg",
      publish: [],
      address: "static",
      autoRemove: false,
      program: programSpec,
    },
    ...changes,
  };
}

export interface InstanceFixture extends AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly folders: Folders;
  readonly store: InstanceStore;
  readonly record: InstanceRecord;
  readonly files: InstanceFiles;
}

/** An instance on disk that was started once, and the journal it left. */
export async function storedInstance(
  changes: Partial<InstanceRecord> = {},
  journal: readonly (JournalRecord | string)[] = [],
): Promise<InstanceFixture> {
  const folder = await temporaryFolder();
  const folders = foldersIn(folder);
  const store = new InstanceStore(folders);
  const record = await store.create("web", ({ id, name }) =>
    instanceRecord({ launch, ...changes, id, name }),
  );
  const files = store.files(record.id);
  await mkdir(folders.runtime, { recursive: true, mode: 0o700 });
  await writeFile(files.journal, journal.map(journalLine).join(""));
  return {
    ...{ folder, folders, store, record, files },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

export function foldersIn(folder: TemporaryFolder): Folders {
  const [data, cache, runtime] = ["data", "cache", "run"].map((name) => folder.file(name));
  return { data: data ?? "", cache: cache ?? "", runtime: runtime ?? "" };
}

export function journalLine(record: JournalRecord | string): string {
  return typeof record === "string" ? record : `${JSON.stringify(record)}\n`;
}

export const phase = (name: "init" | "agent-listening" | "ready"): JournalRecord => ({
  kind: "phase",
  timeMs: 1,
  phase: name,
  uptimeMs: 1,
});

export const exit = (exitCode: number | null, changes: object = {}): JournalRecord => ({
  ...{ kind: "exit", timeMs: 1_700_000_000_000, exitCode, signal: null, reason: null, final: true },
  ...changes,
});
