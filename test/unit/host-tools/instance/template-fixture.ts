/** Templates that no machine was ever saved as. */
import { createHash } from "node:crypto";
import { stat, utimes, writeFile } from "node:fs/promises";
import { machineTraits } from "../../../../host-tools/instance/machine-traits.ts";
import type { Template } from "../../../../host-tools/instance/template.ts";
import type { TemplateStore } from "../../../../host-tools/instance/template-store.ts";
import { machineIn } from "../../../support/machine.ts";
import { instanceRecord, programSpec } from "./instance-fixture.ts";

export const traits = machineTraits(machineIn("/run/m", { memoryMib: 256 }), {
  qemuVersion: "7.2.22",
  kernel: "6.1.0",
  scratch: undefined,
});

const STATE = "CPU and devices";
const MEMORY = "memory";

export function templateOf(changes: Partial<Template> = {}): Template {
  return {
    schemaVersion: 1,
    id: "aaaaaaaaaaaa",
    name: "warm",
    imageId: instanceRecord().imageId,
    imageName: "hello:latest",
    createdAt: "2026-01-01T00:00:00.000Z",
    instance: { id: "bbbbbbbbbbbb", name: "source" },
    memoryMib: 256,
    vcpuCount: 1,
    traits,
    address: "static",
    program: programSpec,
    stoppedAtMs: 1_700_000_000_000,
    state: { sizeBytes: STATE.length, sha256: createHash("sha256").update(STATE).digest("hex") },
    memory: { sizeBytes: MEMORY.length, diskBytes: 4096, changedAtMs: 1_700_000_000_000 },
    hookedProcesses: 0,
    timing: { readyMs: 1, warmUpMs: 1, saveMs: 1 },
    ...changes,
  };
}

/** Puts a whole template into a store. */
export async function storeTemplate(
  store: TemplateStore,
  changes: Partial<Template> = {},
): Promise<Template> {
  const template = templateOf(changes);
  const files = store.files(template.id);
  await using _making = await store.begin(template.id, template.name);
  await writeFile(files.state, STATE);
  await writeFile(files.memory, MEMORY);
  const changed = new Date(template.memory.changedAtMs);
  await utimes(files.memory, changed, changed);
  const { mtimeMs: changedAtMs } = await stat(files.memory);
  const stored = { ...template, memory: { ...template.memory, changedAtMs } };
  await store.commit(stored);
  return stored;
}
