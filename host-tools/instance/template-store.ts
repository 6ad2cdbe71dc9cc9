/** The templates of this host: `templates/ID/{template.json,state,memory}` and what QEMU was given. */
import { createHash } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { lockFile } from "../../image-builder/store/file-lock.ts";
import type { Folders } from "../../image-builder/store/folders.ts";
import { type InstanceFiles, instanceFilesIn } from "./instance-files.ts";
import { SavedStore } from "./saved-store.ts";
import { parseTemplate, type Template } from "./template.ts";

/** For whoever makes a template to be done with its memory. */
const MAKING_MAX_MS = 10_000;

export interface TemplateFiles extends InstanceFiles {
  /** State of CPU and devices. */
  readonly state: string;
  /** RAM. */
  readonly memory: string;
}

export class TemplateStore extends SavedStore<Template> {
  readonly folders: Folders;

  constructor(folders: Folders) {
    super(folders.data, {
      word: "template",
      unknown: "WL_TEMPLATE_UNKNOWN",
      exists: "WL_TEMPLATE_EXISTS",
      advice: '"windlass template create IMAGE" makes one',
      parse: parseTemplate,
    });
    this.folders = folders;
  }

  files(id: string): TemplateFiles {
    const folder = this.folder(id);
    const files = instanceFilesIn(folder, this.folders.runtime, id);
    const record = join(folder, "template.json");
    return { ...files, record, state: join(folder, "state"), memory: join(folder, "memory") };
  }

  /** Machines that run from it go on: they have its files open. */
  override async remove(id: string): Promise<void> {
    await super.remove(id);
    const { qmpSocket, stateSocket, wakeSocket } = this.files(id);
    for (const path of [qmpSocket, stateSocket, wakeSocket]) await rm(path, { force: true });
  }

  /**
   * Whether its files are still those that were saved.
   *
   * @returns what is wrong, in words; undefined when nothing is
   */
  async damage(template: Template): Promise<string | undefined> {
    const files = this.files(template.id);
    try {
      const { sizeBytes, changedAtMs } = template.memory;
      let memory = await stat(files.memory);
      if (memory.mtimeMs !== changedAtMs) {
        // Whoever made it may still be making it sparse, which takes a part of a second.
        await using _made = await lockFile(this.lock(template.id), { timeoutMs: MAKING_MAX_MS });
        memory = await stat(files.memory);
      }
      if (memory.size !== sizeBytes) return "its memory file has another size";
      if (memory.mtimeMs !== changedAtMs) return "its memory file was changed";
      if ((await digestOf(files.state)) !== template.state.sha256)
        return "its state file is damaged";
    } catch (error) {
      return `its files cannot be read: ${(error as Error).message}`;
    }
    return undefined;
  }
}

/** Of a state: half a megabyte. */
async function digestOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
