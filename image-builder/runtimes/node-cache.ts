/**
 * Node versions fetched before: `node/VERSION/node` beside `node/VERSION/node.sha256`. A version is
 * complete from the moment it has its name; what is damaged later is found by its digest and removed.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileDigest } from "./file-digest.ts";
import { withIoError } from "./io-error.ts";
import { compareVersions, formatVersion, parseVersion, type Version } from "./semver-range.ts";

export interface CachedNode {
  readonly executablePath: string;
  /** SHA-256 of the executable, hexadecimal. */
  readonly digest: string;
}

interface Wait {
  readonly signal?: AbortSignal;
}

export class NodeCache {
  readonly #directory: string;
  readonly #memoDirectory: string;

  constructor(cacheDirectory: string) {
    this.#directory = join(cacheDirectory, "node");
    this.#memoDirectory = join(cacheDirectory, "digests");
  }

  /** Newest first. Says nothing about damage: see {@link open}. */
  async versions(): Promise<Version[]> {
    const names = await readdir(this.#directory).catch((): string[] => []);
    const versions = names.map(parseVersion).filter((version) => version !== undefined);
    return versions.sort((a, b) => compareVersions(b, a));
  }

  /** @returns undefined when the version is absent, or damaged and therefore removed */
  async open(version: Version, wait: Wait): Promise<CachedNode | undefined> {
    const home = join(this.#directory, formatVersion(version));
    const executablePath = join(home, "node");
    const expected = await readFile(`${executablePath}.sha256`, "utf8").catch(() => undefined);
    if (expected !== undefined && existsSync(executablePath)) {
      const digest = await this.#digestOf(executablePath, wait);
      if (digest === expected.trim()) return { executablePath, digest };
    }
    await this.#discard(home);
    return undefined;
  }

  /**
   * Adds a version.
   *
   * @param fetch puts the executable into a private folder and returns its path
   * @throws {ImageError} WL_IMAGE_IO when the cache cannot be written; whatever `fetch` throws
   */
  async add(
    version: Version,
    fetch: (directory: string) => Promise<string>,
    wait: Wait,
  ): Promise<CachedNode> {
    await this.#removeAbandoned();
    const staging = await this.#stagingDirectory();
    try {
      const fetched = await fetch(staging);
      const complete = join(staging, "complete");
      const staged = join(complete, "node");
      await withIoError("write", complete, mkdir(complete));
      await withIoError("write", staged, rename(fetched, staged));
      await withIoError("write", staged, chmod(staged, 0o755));
      const digest = await this.#digestOf(staged, wait);
      await withIoError("write", staged, writeFile(`${staged}.sha256`, `${digest}\n`));
      return await this.#publish(complete, version, wait);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }

  async #publish(complete: string, version: Version, wait: Wait): Promise<CachedNode> {
    const home = join(this.#directory, formatVersion(version));
    // Twice: another build may have added the version first, and its copy may be damaged.
    for (const isLastTry of [false, true]) {
      try {
        await rename(complete, home);
      } catch (error) {
        const isTaken = ["ENOTEMPTY", "EEXIST"].includes(
          (error as NodeJS.ErrnoException).code ?? "",
        );
        if (!isTaken) await withIoError("write", home, Promise.reject(error));
      }
      const cached = await this.open(version, wait);
      if (cached) return cached;
      if (isLastTry) break;
    }
    throw new Error(`${home} is damaged again right after it was written`);
  }

  /** Moves aside first, so that no other build sees half a version. */
  async #discard(home: string): Promise<void> {
    if (!existsSync(home)) return;
    const staging = await this.#stagingDirectory();
    await rename(home, join(staging, "damaged")).catch(() => undefined);
    await rm(staging, { recursive: true, force: true });
  }

  async #stagingDirectory(): Promise<string> {
    const name = `.staging-${process.pid}-${randomBytes(6).toString("hex")}`;
    const path = join(this.#directory, name);
    await withIoError("write", path, mkdir(path, { recursive: true }));
    return path;
  }

  /** What builds that were killed left behind. */
  async #removeAbandoned(): Promise<void> {
    for (const name of await readdir(this.#directory).catch((): string[] => [])) {
      const pid = /^\.staging-([0-9]+)-/.exec(name)?.[1];
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
      await rm(join(this.#directory, name), { recursive: true, force: true });
    }
  }

  #digestOf(path: string, wait: Wait): Promise<string> {
    return fileDigest(path, { memoDirectory: this.#memoDirectory, ...wait });
  }
}
