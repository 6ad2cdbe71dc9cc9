/** The checkpoints of this host: `checkpoints/ID/{checkpoint.json,state,scratch-*.qcow2}`. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
import { SavedStore } from "./saved-store.ts";
import { scratchLayers } from "./scratch-layers.ts";

export class CheckpointStore extends SavedStore<Checkpoint> {
  /** @param dataFolder Folders.data */
  constructor(dataFolder: string) {
    super(dataFolder, {
      word: "checkpoint",
      unknown: "WL_CHECKPOINT_UNKNOWN",
      exists: "WL_CHECKPOINT_EXISTS",
      advice: '"windlass checkpoint NAME" takes one',
      parse: parseCheckpoint,
    });
  }

  /** RAM, CPU and devices. */
  statePath(id: string): string {
    return join(this.folder(id), "state");
  }

  /** Paths of the scratch disk's layers, the top one first. */
  layers({ id, scratch }: Checkpoint): string[] {
    return scratch.map(({ name }) => join(this.folder(id), name));
  }

  /**
   * Whether its files are still those that were saved. Reads all of the state.
   *
   * @returns what is wrong, in words; undefined when nothing is
   */
  async damage(checkpoint: Checkpoint): Promise<string | undefined> {
    const { id, state, scratch } = checkpoint;
    const path = this.statePath(id);
    try {
      const { size } = await stat(path);
      if (size !== state.sizeBytes) {
        return `its state file has ${size} bytes, not ${state.sizeBytes}`;
      }
      if ((await digestOf(path)) !== state.sha256) return "its state file was changed";
      for (const { name, sizeBytes, changedAtMs } of scratch) {
        const found = await stat(join(this.folder(id), name));
        if (found.size !== sizeBytes || found.mtimeMs !== changedAtMs) {
          return `its scratch disk was changed (${name})`;
        }
      }
      const [top] = this.layers(checkpoint);
      if (top !== undefined) await scratchLayers(top);
    } catch (error) {
      return `its files cannot be used: ${(error as Error).message}`;
    }
    return undefined;
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk);
  }
  return hash.digest("hex");
}
