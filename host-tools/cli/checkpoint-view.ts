/** A checkpoint as commands show it. Pure. */
import type { Checkpoint } from "../instance/checkpoint.ts";

/** The JSON of `windlass checkpoint ls --json`: a contract, members are only added. */
export interface CheckpointView {
  readonly id: string;
  readonly name: string;
  readonly instance: { readonly id: string; readonly name: string };
  readonly image: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly memoryMib: number;
  readonly stateBytes: number;
  /** All layers of the scratch disk; shared with the instance and with other checkpoints. */
  readonly scratchBytes: number;
  /** How long the machine stood still for it, in milliseconds; 0 when it was suspended. */
  readonly stillMs: number;
}

export function checkpointView(checkpoint: Checkpoint): CheckpointView {
  const { id, name, createdAt, instance, state, scratch, stillMs } = checkpoint;
  return {
    id,
    name,
    instance: { id: instance.id, name: instance.name },
    image: instance.imageName,
    createdAt,
    memoryMib: instance.options.memoryMib,
    stateBytes: state.sizeBytes,
    scratchBytes: scratch.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    stillMs,
  };
}

/** Everything but the tokens, which are for the machine's memory only. */
export function checkpointDetails(checkpoint: Checkpoint): object {
  const { tokens: _tokens, ...instance } = checkpoint.instance;
  return { ...checkpoint, instance };
}
