/** A checkpoint: a whole machine at one moment, RAM and scratch disk, that can go on from there. */
import type { InstanceRecord } from "./instance-record.ts";
import type { MachineTraits } from "./machine-traits.ts";

export interface Checkpoint {
  readonly schemaVersion: 1;
  /** Twelve hex digits. */
  readonly id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** As it was: the tokens, names and address that are in the machine's memory. */
  readonly instance: InstanceRecord;
  readonly traits: MachineTraits;
  /** Host's clock when the machine stopped, Unix time in milliseconds. */
  readonly stoppedAtMs: number;
  /** RAM, CPU and devices. */
  readonly state: { readonly sizeBytes: number; readonly sha256: string };
  /** Layers of the scratch disk, the top one first; none without one. */
  readonly scratch: readonly CheckpointLayer[];
  /** How long the machine stood still for it, in milliseconds; 0 when it was suspended. */
  readonly stillMs: number;
}

/** Nobody writes to a layer once the checkpoint is there. */
export interface CheckpointLayer {
  readonly name: string;
  readonly sizeBytes: number;
  readonly changedAtMs: number;
}

/** What Windlass wrote for that id; undefined for anything else, such as half of it. Pure. */
export function parseCheckpoint(text: string, id: string): Checkpoint | undefined {
  try {
    const checkpoint: Partial<Checkpoint> | null = JSON.parse(text);
    const isWhole =
      checkpoint?.schemaVersion === 1 &&
      checkpoint.id === id &&
      checkpoint.instance?.options?.program &&
      checkpoint.state?.sha256 &&
      Array.isArray(checkpoint.scratch);
    return isWhole ? (checkpoint as Checkpoint) : undefined;
  } catch {
    return undefined;
  }
}
