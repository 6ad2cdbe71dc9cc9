/**
 * A folder of things that machines were saved as, `KIND/ID/KIND.json` and its files. Such a thing is there
 * when its record is; what is being made, or was left by a command that was killed, has none.
 */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { withIoError } from "../../image-builder/runtimes/io-error.ts";
import { lockFile, tryLockFile } from "../../image-builder/store/file-lock.ts";
import { replaceFile } from "../../image-builder/store/replace-file.ts";
import { HostError, type HostErrorCode } from "../errors.ts";
import { isInstanceName } from "./instance-record.ts";
import { finishRemovals, removeFolder } from "./remove-folder.ts";

const ID = /^[0-9a-f]{12}$/;
/** A record may hold tokens. */
const RECORD_MODE = 0o600;

export interface Saved {
  /** Twelve hex digits. */
  readonly id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly createdAt: string;
}

export interface SavedKind<T extends Saved> {
  /** "checkpoint": its command, its folder (with an s) and its record's file are called so. */
  readonly word: string;
  readonly unknown: HostErrorCode;
  readonly exists: HostErrorCode;
  /** How one is made. */
  readonly advice: string;
  readonly parse: (text: string, id: string) => T | undefined;
}

export class SavedStore<T extends Saved> {
  readonly #kind: SavedKind<T>;
  readonly #folder: string;

  /** @param dataFolder Folders.data */
  constructor(dataFolder: string, kind: SavedKind<T>) {
    this.#kind = kind;
    this.#folder = join(dataFolder, `${kind.word}s`);
  }

  folder(id: string): string {
    return join(this.#folder, id);
  }

  /** All of them, newest first. */
  async list(): Promise<T[]> {
    const names = await readdir(this.#folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return []; // None was ever made.
      throw cause;
    });
    const all = await Promise.all(names.map((name) => this.read(name)));
    return all
      .filter((one) => one !== undefined)
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  }

  async read(id: string): Promise<T | undefined> {
    if (!ID.test(id)) return undefined;
    const text = await readFile(this.#record(id), "utf8").catch(() => undefined);
    return text === undefined ? undefined : this.#kind.parse(text, id);
  }

  /** By name or by the begin of its id. */
  async find(reference: string): Promise<T | undefined> {
    const matches = await this.#matches(reference);
    return matches.length === 1 ? matches[0] : undefined;
  }

  /** As `find`. @throws {HostError} with the kind's code when there is none */
  async get(reference: string): Promise<T> {
    const matches = await this.#matches(reference);
    const [only] = matches;
    if (only && matches.length === 1) return only;
    const { word, unknown, advice } = this.#kind;
    const why = matches.length > 1 ? "several ids begin like that" : "there is none";
    throw new HostError(unknown, `Cannot find ${word} "${reference}": ${why}`, {
      next: `"windlass ${word} ls" lists all; ${advice}`,
    });
  }

  async #matches(reference: string): Promise<readonly T[]> {
    const all = await this.list();
    const named = all.find(({ name, id }) => name === reference || id === reference);
    if (named) return [named];
    if (!/^[0-9a-f]{3,12}$/.test(reference)) return [];
    return all.filter(({ id }) => id.startsWith(reference));
  }

  /**
   * Makes the folder of one that is to be. While the lock is held nobody takes it for a leftover.
   *
   * @throws {HostError} WL_USAGE for a bad name, the kind's code for a taken one; {ImageError} WL_IMAGE_IO
   */
  async begin(id: string, name: string): Promise<AsyncDisposable> {
    const { word, exists } = this.#kind;
    if (!isInstanceName(name)) {
      throw new HostError("WL_USAGE", `"${name}" is not a ${word} name`, {
        next: 'Use letters, digits, ".", "_" and "-", at most 63, beginning with a letter or digit',
      });
    }
    const make = mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await withIoError("write", this.#folder, make);
    await using _creating = await this.#creating();
    const taken = (await this.list()).find((one) => one.name === name);
    if (taken) {
      throw new HostError(
        exists,
        `Cannot make ${word} "${name}": the name is taken by ${taken.id}`,
        { next: `Choose another name, or remove that one: "windlass ${word} rm ${name}"` },
      );
    }
    const folder = this.folder(id);
    await withIoError("write", folder, mkdir(folder, { mode: 0o700 }));
    return await lockFile(this.lock(id));
  }

  /** Makes it one. @throws {ImageError} WL_IMAGE_IO */
  async commit(saved: T): Promise<void> {
    await replaceFile(this.#record(saved.id), JSON.stringify(saved, null, 2), RECORD_MODE);
  }

  async remove(id: string): Promise<void> {
    await removeFolder(this.folder(id));
  }

  /** Removes what commands that were killed left. @returns the ids */
  async removeLeftovers(): Promise<string[]> {
    await finishRemovals(this.#folder);
    const names = await readdir(this.#folder).catch(() => []);
    const ids = names.filter((name) => ID.test(name)).sort();
    if (ids.length === 0) return [];
    await using _creating = await this.#creating();
    const removed: string[] = [];
    for (const id of ids) {
      if (await this.read(id)) continue;
      await using lock = await tryLockFile(this.lock(id)).catch(() => undefined);
      if (!lock) continue;
      await this.remove(id);
      removed.push(id);
    }
    return removed;
  }

  /** A folder is made, and looked at by those who clear up, under this lock. */
  #creating(): Promise<AsyncDisposable> {
    return lockFile(join(this.#folder, ".create.lock"));
  }

  #record(id: string): string {
    return join(this.folder(id), `${this.#kind.word}.json`);
  }

  /** Held by whoever makes it, from `begin` on. */
  protected lock(id: string): string {
    return join(this.folder(id), "change.lock");
  }
}
