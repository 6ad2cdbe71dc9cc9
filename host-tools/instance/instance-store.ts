/** The instances of this host on disk: `instances/ID/instance.json`, readable by their owner only. */
import { randomBytes, randomUUID } from "node:crypto";
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { lockFile } from "../../image-builder/store/file-lock.ts";
import type { Folders } from "../../image-builder/store/folders.ts";
import { HostError } from "../errors.ts";
import { type InstanceFiles, instanceFiles } from "./instance-files.ts";
import { generatedName } from "./instance-name.ts";
import {
  damagedRecord,
  type InstanceRecord,
  isInstanceName,
  parseRecord,
} from "./instance-record.ts";
import { removeFolder } from "./remove-folder.ts";

const INSTANCE_ID = /^[0-9a-f]{12}$/;

export class InstanceStore {
  readonly folders: Folders;
  readonly #folder: string;

  constructor(folders: Folders) {
    this.folders = folders;
    this.#folder = join(folders.data, "instances");
  }

  files(id: string): InstanceFiles {
    return instanceFiles(this.folders, id);
  }

  /**
   * All records, oldest first. A damaged one is made up for, so that its machine can be seen and ended; a
   * folder without a record is not an instance.
   */
  async list(): Promise<InstanceRecord[]> {
    const names = await this.#io("read", this.#folder, namesIn(this.#folder));
    const records = await Promise.all(names.map((name) => this.#read(name)));
    return records
      .filter((record) => record !== undefined)
      .sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  /**
   * Finds an instance by name or by the begin of its id.
   *
   * @throws {HostError} WL_INSTANCE_UNKNOWN when there is none, or several ids begin like that
   */
  async get(reference: string): Promise<InstanceRecord> {
    const records = await this.list();
    const named = records.find(({ name, id }) => name === reference || id === reference);
    if (named) return named;
    const matches = /^[0-9a-f]{3,12}$/.test(reference)
      ? records.filter(({ id }) => id.startsWith(reference))
      : [];
    const [only] = matches;
    if (only && matches.length === 1) return only;
    const why = matches.length > 1 ? "several ids begin like that" : "there is none";
    throw new HostError("WL_INSTANCE_UNKNOWN", `Cannot find instance "${reference}": ${why}`, {
      next: '"windlass ps -a" lists all instances',
    });
  }

  /**
   * Makes an instance under a free name.
   *
   * @param name undefined: one is made up
   * @throws {HostError} WL_USAGE for a bad name, WL_INSTANCE_EXISTS for a taken one, WL_HOST_IO
   */
  async create(
    name: string | undefined,
    make: (identity: { id: string; name: string }) => InstanceRecord,
  ): Promise<InstanceRecord> {
    if (name !== undefined && !isInstanceName(name)) {
      throw new HostError("WL_USAGE", `"${name}" is not an instance name`, {
        next: 'Use letters, digits, ".", "_" and "-", at most 63, beginning with a letter or digit',
      });
    }
    await this.#io("make", this.#folder, mkdir(this.#folder, { recursive: true, mode: 0o700 }));
    await using _lock = await lockFile(join(this.#folder, ".create.lock"));
    const records = await this.list();
    const taken = records.find((record) => record.name === name);
    if (taken) {
      throw new HostError(
        "WL_INSTANCE_EXISTS",
        `Cannot create instance "${name}": the name is taken by ${taken.id}`,
        { next: `Choose another name, or remove that one: "windlass rm ${name}"` },
      );
    }
    const names = new Set(records.map((record) => record.name));
    const record = make({ id: randomBytes(6).toString("hex"), name: name ?? generatedName(names) });
    const { folder } = this.files(record.id);
    await this.#io("make", folder, mkdir(folder, { mode: 0o700 }));
    try {
      await this.write(record);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
    return record;
  }

  /** Replaces a record. The caller holds the instance's change lock, or has just made it. */
  async write(record: InstanceRecord): Promise<void> {
    const { record: path, folder } = this.files(record.id);
    const beside = join(folder, `.record-${process.pid}-${randomUUID()}`);
    const text = `${JSON.stringify(record, null, 2)}\n`;
    try {
      await this.#io("write", path, writeFile(beside, text, { mode: 0o600 }));
      await this.#io("write", path, rename(beside, path));
    } catch (error) {
      await rm(beside, { force: true }); // On a full disk it would take the room of the next try.
      throw error;
    }
  }

  /** The record as it is now; undefined when the instance was removed meanwhile. */
  reread(id: string): Promise<InstanceRecord | undefined> {
    return this.#read(id);
  }

  /** Removes everything of an instance. */
  async remove(id: string): Promise<void> {
    const { folder, qmpSocket, stateSocket, wakeSocket } = this.files(id);
    await removeFolder(folder); // First: from now on it is no instance.
    for (const path of [qmpSocket, stateSocket, wakeSocket]) await rm(path, { force: true });
  }

  /**
   * The folder of sockets, for this user alone.
   *
   * @throws {HostError} WL_HOST_IO when it belongs to somebody else
   */
  async makeRuntimeFolder(): Promise<void> {
    const { runtime } = this.folders;
    await this.#io("make", runtime, mkdir(runtime, { recursive: true, mode: 0o700 }));
    const found = await lstat(runtime);
    if (!found.isDirectory() || found.uid !== userInfo().uid || (found.mode & 0o077) !== 0) {
      throw new HostError(
        "WL_HOST_IO",
        `Cannot use "${runtime}" for sockets: it is not a folder of this user alone`,
        { next: "Remove it, or set XDG_RUNTIME_DIR to a folder of your own" },
      );
    }
  }

  async #read(id: string): Promise<InstanceRecord | undefined> {
    if (!INSTANCE_ID.test(id)) return undefined;
    let text: string;
    try {
      text = await readFile(this.files(id).record, "utf8");
    } catch {
      return undefined;
    }
    return parseRecord(text, id) ?? damagedRecord(id);
  }

  async #io<T>(verb: string, path: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new HostError(
        "WL_HOST_IO",
        `Cannot ${verb} "${path}": ${message}`,
        { next: "Check that the disk is not full and that the folder is writable" },
        cause,
      );
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return []; // No instance was ever made.
    throw cause;
  });
}
