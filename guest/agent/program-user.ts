/**
 * Starting a program as a user. Node's `spawn` gives it the user's primary group alone (libuv drops the others), so a
 * user who is in more starts through a helper. Then Node cannot say why a program does not start: the helper ends with
 * 127 and says on standard error that it did not; and a script needs its `#!`.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { credentialsBytes, type UserAndGroups } from "../api/credentials.ts";
import type { Credentials } from "./guest-system.ts";
import { findProgram } from "./program-path.ts";

const HELPER = "/sbin/windlass-user";
/** The kernel's, and root's alone: an image may bring any other folder, with any owner. */
const FOLDER = "/dev";

let opened = 0;

export interface SpawnAsOptions extends Omit<SpawnOptions, "uid" | "gid" | "shell"> {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Of standard input, output and error. */
  readonly stdio: "ignore" | ["ignore" | "pipe", "ignore" | "pipe", "ignore" | "pipe"];
}

/**
 * @param user undefined: as this process
 * @throws what `findProgram` throws when the helper, which does not look the program up, is needed
 */
export function spawnAs(
  user: Credentials | undefined,
  [file = "", ...args]: readonly string[],
  options: SpawnAsOptions,
): ChildProcess {
  if (user === undefined) return spawn(file, args, options);
  const { uid, gid, groups = [] } = user;
  if (groups.length === 0) return spawn(file, args, { ...options, uid, gid });
  const program = findProgram(file, { cwd: options.cwd, path: options.env["PATH"] });
  const credentials = openCredentials({ uid, gid, groups });
  try {
    const three = options.stdio === "ignore" ? Array(3).fill("ignore") : options.stdio;
    return spawn(HELPER, [program, file, ...args], { ...options, stdio: [...three, credentials] });
  } finally {
    closeSync(credentials);
  }
}

/** @returns descriptor of a file that has no name any more */
function openCredentials(credentials: UserAndGroups): number {
  opened += 1; // Not a random number: every start would load the crypto module.
  const path = `${FOLDER}/windlass-${process.pid}-${opened}`;
  const fd = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  writeSync(fd, credentialsBytes(credentials));
  return fd;
}
