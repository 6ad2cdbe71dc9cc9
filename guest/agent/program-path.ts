/** Where a program is, for those who start it through another that does not look it up. */
import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";

/** Where execvp(3) of glibc looks when there is no PATH. */
const DEFAULT_PATH = "/bin:/usr/bin";

export interface ProgramPlace {
  readonly cwd: string;
  /** PATH of the program that is started. */
  readonly path: string | undefined;
}

/**
 * A name is looked up in PATH, a path is taken from its folder.
 *
 * @throws {NodeJS.ErrnoException} of the first place where it is not
 */
export function findProgram(file: string, { cwd, path = DEFAULT_PATH }: ProgramPlace): string {
  const candidates = file.includes("/")
    ? [resolve(cwd, file)]
    : path.split(":").map((folder) => resolve(cwd, folder, file));
  let failure: unknown;
  for (const candidate of file === "" ? [] : candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
      failure ??= Object.assign(new Error("it is no file"), { code: "EACCES" });
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure ?? Object.assign(new Error("no such program"), { code: "ENOENT" });
}
