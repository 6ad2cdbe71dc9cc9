/**
 * How a program is started as a user. Node's `spawn` gives it the user's primary group alone (libuv drops the others),
 * so a user who is in more starts through a helper.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { credentialsBytes } from "../api/credentials.ts";
import { WINDLASS_RUN_FOLDER } from "../api/wake-channel.ts";
import type { Credentials } from "./guest-system.ts";
import { findProgram, type ProgramPlace } from "./program-path.ts";

const HELPER = "/sbin/windlass-user";
const FOLDER = `${WINDLASS_RUN_FOLDER}/users`;

export interface StartAs {
  readonly file: string;
  readonly args: readonly string[];
  /** For `spawn`. */
  readonly identity: { readonly uid?: number; readonly gid?: number };
}

/**
 * @param user undefined: as whoever asks
 * @throws as `findProgram` when the helper, which does not look the program up, is needed
 */
export function startAs(
  user: Credentials | undefined,
  argv: readonly string[],
  place: ProgramPlace,
): StartAs {
  const [file = "", ...args] = argv;
  if (user === undefined) return { file, args, identity: {} };
  const { uid, gid, groups = [] } = user;
  if (groups.length === 0) return { file, args, identity: { uid, gid } };
  const program = findProgram(file, place);
  mkdirSync(FOLDER, { recursive: true });
  const path = `${FOLDER}/${uid}-${gid}`;
  writeFileSync(path, credentialsBytes({ uid, gid, groups }));
  return { file: HELPER, args: [path, program, ...args], identity: {} };
}
