/**
 * node's lookup of a package by name: node_modules of the importing folder, then of each folder above.
 * Remembers what it saw, since most lookups of a build end at the same few folders.
 */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { ImageError } from "../errors.ts";

export class PackageLookup {
  readonly #highest: string;
  readonly #hasNodeModules = new Map<string, boolean>();
  /** Candidate -> its real path, or undefined when there is no such folder. */
  readonly #realPaths = new Map<string, string | undefined>();

  /**
   * @param highest the last folder that lookups from below it reach. What lies in node_modules further
   *   up is there by chance, and would not be elsewhere
   */
  constructor(highest: string) {
    this.#highest = highest;
  }

  /**
   * @returns the path at which node finds the package, links not resolved
   * @throws {ImageError} when node would find a link that leads nowhere
   */
  find(from: string, name: string): string | undefined {
    for (let folder = from; ; folder = dirname(folder)) {
      if (basename(folder) !== "node_modules" && this.#mayHold(folder)) {
        const candidate = `${folder}/node_modules/${name}`;
        if (this.#resolve(candidate) !== undefined) return candidate;
      }
      if (folder === this.#highest || folder === dirname(folder)) return undefined;
    }
  }

  /** The real path of what `find` returned. */
  realPath(found: string): string {
    return this.#resolve(found) ?? found;
  }

  #mayHold(folder: string): boolean {
    let known = this.#hasNodeModules.get(folder);
    if (known === undefined) {
      known = lstatSync(`${folder}/node_modules`, { throwIfNoEntry: false }) !== undefined;
      this.#hasNodeModules.set(folder, known);
    }
    return known;
  }

  #resolve(candidate: string): string | undefined {
    if (this.#realPaths.has(candidate)) return this.#realPaths.get(candidate);
    const facts = lstatSync(candidate, { throwIfNoEntry: false });
    const isThere = facts?.isDirectory() || facts?.isSymbolicLink();
    const real = isThere ? realPathOf(candidate) : undefined;
    this.#realPaths.set(candidate, real);
    return real;
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (cause) {
    throw new ImageError(
      "WL_IMAGE_PROJECT_INVALID",
      `${path} is a link to ${readlinkSync(path)}, which cannot be reached`,
      { file: path, next: "Run npm ci, or npm link again" },
      cause,
    );
  }
}
