/**
 * The scratch disk: mounted before the program starts, unmounted when the machine ends. Its ext4 has a
 * journal, so a machine that is killed instead loses what was not synced, and nothing else.
 */
import { chownSync, mkdirSync, statSync } from "node:fs";
import type { Credentials } from "../agent/guest-system.ts";
import { type MountTable, MS_NOATIME } from "../syscalls/mount.ts";

/** The host puts it after base and program. */
const DEVICE = "/dev/vdc";
/** Deleted files are given back to the host. */
const OPTIONS = "discard";
/** For killed processes to let go of their files. */
const UNMOUNT_TRIES = 100;
const UNMOUNT_RETRY_MS = 10;

export interface ScratchDiskOptions {
  readonly path: string;
  readonly table: MountTable;
  /** Who owns a disk that nobody owned before; throws when there is no such user. */
  readonly owner: () => Credentials;
  readonly notice: (level: "error" | "warning", text: string) => void;
  /** Ends every process but process 1 and this one. */
  readonly killAll: () => void;
  readonly sleep: (durationMs: number) => void;
}

export class ScratchDisk {
  readonly #options: ScratchDiskOptions;
  #isMounted = false;

  constructor(options: ScratchDiskOptions) {
    this.#options = options;
  }

  /**
   * Mounts it, unless it is; the folder is made.
   *
   * @throws {Error} that says in words why it cannot be used; the program must not start then, for it
   *   would write to memory what it believes to be kept
   */
  mount(): void {
    if (this.#isMounted) return;
    const { path, table, notice } = this.#options;
    try {
      mkdirSync(path, { recursive: true });
      table.mount({
        ...{ source: DEVICE, target: path, type: "ext4" },
        ...{ flags: MS_NOATIME, data: OPTIONS },
      });
    } catch (error) {
      const text = `Cannot mount the scratch disk at "${path}": ${reasonOf(error)}`;
      notice("error", text);
      throw new Error(text, { cause: error });
    }
    this.#isMounted = true;
    this.#giveToProgram();
  }

  /** Takes it out of use, so that its file is clean; the machine is about to end. Never throws. */
  unmount(): void {
    if (!this.#isMounted) return;
    const { path, table, killAll, notice, sleep } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        table.unmount(path);
        this.#isMounted = false;
        return;
      } catch (error) {
        const code = codeOf(error);
        if (attempt === UNMOUNT_TRIES || code !== "EBUSY") {
          // Process 1 syncs; the journal does the rest at the next start.
          notice("warning", `the scratch disk was not unmounted: ${code}`);
          return;
        }
        if (attempt === 0) killAll(); // The machine ends with them in any case.
        sleep(UNMOUNT_RETRY_MS);
      }
    }
  }

  /** A new disk's root folder is root's. One that was given to somebody once stays his. */
  #giveToProgram(): void {
    const { path, owner } = this.#options;
    try {
      const { uid, gid } = statSync(path);
      const wanted = owner();
      if (uid === 0 && gid === 0 && wanted.uid !== 0) chownSync(path, wanted.uid, wanted.gid);
    } catch {
      // No such user: the start of the program says so.
    }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "the machine has no such disk",
  ENODEV: "the kernel has no ext4",
  EINVAL: "what is on it is no ext4 file system",
  EUCLEAN: "its file system is damaged",
  EBADMSG: "its file system is damaged",
  EIO: "it cannot be read",
  ENOTDIR: "a part of the path is a file",
  EEXIST: "the path is a file",
};

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const reason = REASONS[code];
  return reason === undefined ? code : `${reason} (${code})`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
