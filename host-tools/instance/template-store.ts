/**
 * The templates of this host: `templates/ID/{template.json,state,memory}`. A template is there when its
 * record is; what is being made, or was left by a command that was killed, has none.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { lockFile, tryLockFile } from "../../image-builder/store/file-lock.ts";
import type { Folders } from "../../image-builder/store/folders.ts";
import { replaceFile } from "../../image-builder/store/replace-file.ts";
import { HostError } from "../errors.ts";
import { type InstanceFiles, instanceFilesIn } from "./instance-files.ts";
import { isInstanceName } from "./instance-record.ts";
import { parseTemplate, type Template } from "./template.ts";

const TEMPLATE_ID = /^[0-9a-f]{12}$/;

export interface TemplateFiles extends InstanceFiles {
  /** State of CPU and devices. */
  readonly state: string;
  /** RAM. */
  readonly memory: string;
}

export class TemplateStore {
  readonly folders: Folders;
  readonly #folder: string;

  constructor(folders: Folders) {
    this.folders = folders;
    this.#folder = join(folders.data, "templates");
  }

  files(id: string): TemplateFiles {
    const folder = join(this.#folder, id);
    const files = instanceFilesIn(folder, this.folders.runtime, id);
    const record = join(folder, "template.json");
    return { ...files, record, state: join(folder, "state"), memory: join(folder, "memory") };
  }

  /** All templates, newest first. */
  async list(): Promise<Template[]> {
    const names = await readdir(this.#folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return []; // No template was ever made.
      throw cause;
    });
    const templates = await Promise.all(names.map((name) => this.read(name)));
    return templates
      .filter((template) => template !== undefined)
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  }

  async read(id: string): Promise<Template | undefined> {
    if (!TEMPLATE_ID.test(id)) return undefined;
    const text = await readFile(this.files(id).record, "utf8").catch(() => undefined);
    return text === undefined ? undefined : parseTemplate(text, id);
  }

  /** By name or by the begin of its id. */
  async find(reference: string): Promise<Template | undefined> {
    const templates = await this.list();
    const named = templates.find(({ name, id }) => name === reference || id === reference);
    if (named) return named;
    if (!/^[0-9a-f]{3,12}$/.test(reference)) return undefined;
    const matches = templates.filter(({ id }) => id.startsWith(reference));
    return matches.length === 1 ? matches[0] : undefined;
  }

  /** @throws {HostError} WL_TEMPLATE_UNKNOWN */
  async get(reference: string): Promise<Template> {
    const template = await this.find(reference);
    if (template) return template;
    throw new HostError("WL_TEMPLATE_UNKNOWN", `Cannot find template "${reference}"`, {
      next: '"windlass template ls" lists all; "windlass template create IMAGE" makes one',
    });
  }

  /**
   * Makes the folder of a template to be. While the lock is held nobody takes it for a leftover.
   *
   * @throws {HostError} WL_USAGE for a bad name, WL_TEMPLATE_EXISTS for a taken one
   */
  async begin(id: string, name: string): Promise<AsyncDisposable> {
    if (!isInstanceName(name)) {
      throw new HostError("WL_USAGE", `"${name}" is not a template name`, {
        next: 'Use letters, digits, ".", "_" and "-", at most 63, beginning with a letter or digit',
      });
    }
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await using _creating = await lockFile(join(this.#folder, ".create.lock"));
    const taken = (await this.list()).find((template) => template.name === name);
    if (taken) {
      throw new HostError(
        "WL_TEMPLATE_EXISTS",
        `Cannot make template "${name}": the name is taken by ${taken.id}`,
        { next: `Choose another name, or remove that one: "windlass template rm ${name}"` },
      );
    }
    const files = this.files(id);
    await mkdir(files.folder, { mode: 0o700 });
    return await lockFile(files.changeLock);
  }

  /** Makes it a template. */
  async commit(template: Template): Promise<void> {
    await replaceFile(this.files(template.id).record, JSON.stringify(template, null, 2));
  }

  /** Machines that run from it go on: they have its files open. */
  async remove(id: string): Promise<void> {
    const files = this.files(id);
    await rm(files.record, { force: true });
    await rm(files.folder, { recursive: true, force: true });
    await rm(files.qmpSocket, { force: true });
    await rm(files.wakeSocket, { force: true });
  }

  /** Removes what commands that were killed left. @returns the ids */
  async removeLeftovers(): Promise<string[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const removed: string[] = [];
    await using _creating = await (names.length > 0
      ? lockFile(join(this.#folder, ".create.lock"))
      : nothing);
    for (const id of names.filter((name) => TEMPLATE_ID.test(name)).sort()) {
      if (await this.read(id)) continue;
      await using lock = await tryLockFile(this.files(id).changeLock).catch(() => undefined);
      if (!lock) continue;
      await this.remove(id);
      removed.push(id);
    }
    return removed;
  }

  /**
   * Whether its files are still those that were saved.
   *
   * @returns what is wrong, in words; undefined when nothing is
   */
  async damage(template: Template): Promise<string | undefined> {
    const files = this.files(template.id);
    try {
      const memory = await stat(files.memory);
      if (memory.size !== template.memory.sizeBytes) return "its memory file has another size";
      if (memory.mtimeMs !== template.memory.changedAtMs) return "its memory file was changed";
      if ((await digestOf(files.state)) !== template.state.sha256)
        return "its state file is damaged";
    } catch (error) {
      return `its files cannot be read: ${(error as Error).message}`;
    }
    return undefined;
  }
}

const nothing: AsyncDisposable = { async [Symbol.asyncDispose]() {} };

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
