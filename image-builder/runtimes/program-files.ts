/**
 * Gathers files of the host for an image: what a file needs to run comes along, that is a script's
 * interpreter, and for an ELF file a place in the list whose libraries are looked up later.
 */
import { closeSync, constants, existsSync, openSync, readSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path/posix";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import type { NativeAddon } from "../project/project.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import { ioError } from "./io-error.ts";
import { linkedFile } from "./linked-entries.ts";
import { programOfEnv, SCRIPT_HEAD_BYTES, scriptHead } from "./script-interpreter.ts";

/** PATH of programs in the guest, which is where env(1) looks. */
const GUEST_PATH = ["/usr/local/bin", "/usr/bin", "/bin"];
/** Linux follows five interpreters that are scripts themselves (fs/exec.c, exec_binprm). */
const MAX_SCRIPT_DEPTH = 5;

export interface FileFacts {
  /** An image without it, or without its libraries, is still right. */
  readonly isOptional?: boolean;
  /** Interpreters of scripts are taken as well; default true. */
  readonly followsScripts?: boolean;
}

export class ProgramFiles {
  /** By guest path. */
  readonly entries = new Map<string, TreeEntry>();
  /** ELF files whose libraries the image needs. */
  readonly binaries: NativeAddon[] = [];
  readonly #root: string;
  readonly #signal: AbortSignal | undefined;

  /** @param root the project's folder, which is /app in the guest */
  constructor(root: string, signal: AbortSignal | undefined) {
    this.#root = root;
    this.#signal = signal;
  }

  /** Where a path of the guest is on this machine. */
  hostPathOf(guestPath: string): string {
    const isOwn = guestPath.startsWith(`${APP_PATH}/`);
    return isOwn ? join(this.#root, guestPath.slice(APP_PATH.length)) : guestPath;
  }

  /**
   * @throws {ImageError} WL_IMAGE_IO when the file cannot be read; WL_IMAGE_BINARY_INVALID when an
   *   interpreter is not on this machine
   */
  async add(hostPath: string, guestPath: string, facts: FileFacts = {}): Promise<void> {
    await this.#add(hostPath, guestPath, facts, 0);
  }

  async #add(host: string, guest: string, facts: FileFacts, depth: number): Promise<void> {
    const { entries, ...file } = linkedFile(host, guest);
    const isKnown = this.entries.get(file.guestPath)?.kind === "file";
    for (const entry of entries) this.entries.set(entry.path, entry);
    if (isKnown) return;
    this.#signal?.throwIfAborted();
    const head = fileHead(file.hostPath);
    if (head.toString("latin1", 0, 4) === "\x7fELF") {
      this.binaries.push({ ...file, ...(facts.isOptional && { isOptional: true }) });
    }
    const script = scriptHead(head);
    if (!script || facts.followsScripts === false) return;
    if (depth >= MAX_SCRIPT_DEPTH)
      throw unusableScript(host, "its interpreters are nested too deep");
    for (const path of this.#interpreters(host, script)) {
      await this.#add(this.hostPathOf(path), path, facts, depth + 1);
    }
  }

  #interpreters(script: string, head: { interpreter: string; argument?: string | undefined }) {
    const { interpreter, argument } = head;
    if (!isAbsolute(interpreter)) {
      throw unusableScript(
        script,
        `its interpreter ${JSON.stringify(interpreter)} is a relative path`,
      );
    }
    if (!isFile(this.hostPathOf(interpreter))) {
      const why = `its interpreter ${interpreter} is not on this machine`;
      throw unusableScript(script, why, installHint(interpreter));
    }
    if (!interpreter.endsWith("/env")) return [interpreter];
    const name = argument === undefined ? undefined : programOfEnv(argument);
    // The image has a Node in any case.
    if (name === undefined || name === "node") return [interpreter];
    const places = isAbsolute(name) ? [name] : GUEST_PATH.map((folder) => join(folder, name));
    const program = places.find((path) => isFile(this.hostPathOf(path)));
    if (program !== undefined) return [interpreter, program];
    const why = `its interpreter ${JSON.stringify(name)} is not in ${GUEST_PATH.join(", ")}`;
    throw unusableScript(script, why, installHint(name));
  }
}

/**
 * The first bytes of a regular file: enough to tell an ELF file and to read a script's first line. Synchronous,
 * because a program comes with thousands of small files, and four trips to a thread cost more than the reads.
 *
 * @throws {ImageError} WL_IMAGE_IO
 */
export function fileHead(path: string): Buffer {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const head = Buffer.alloc(SCRIPT_HEAD_BYTES);
      return head.subarray(0, readSync(file, head));
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw ioError("read", path, cause);
  }
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function installHint(interpreter: string): string {
  const name = interpreter.slice(interpreter.lastIndexOf("/") + 1);
  return `Install it, probably: apt-get install ${name}`;
}

function unusableScript(file: string, why: string, next = "Correct the script's first line") {
  const message = `Cannot use ${JSON.stringify(file)}: ${why}`;
  return new ImageError("WL_IMAGE_BINARY_INVALID", message, { file, next });
}
