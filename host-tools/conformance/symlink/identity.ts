/**
 * Other users. On Linux each thread has credentials of its own, which the bare system calls change and libc's
 * functions copy to all threads. Node's synchronous calls run on the main thread, so that one can be another
 * user for one call, and no child has to be started. The saved user stays 0: that is the way back.
 */
import { check, libc } from "./libc.ts";

export interface Identity {
  readonly uid: number;
  /** The first is the effective group, all are supplementary ones. */
  readonly gids: readonly number[];
}

/** The user that pjdfstest takes for "nobody". */
export const NOBODY: Identity = { uid: 65534, gids: [65534] };

/** arch/x86/entry/syscalls/syscall_64.tbl */
const SETGROUPS = 116;
const SETRESUID = 117;
const SETRESGID = 119;

/** Why there are no other users here; undefined when there are. */
export function identitiesMissing(): string | undefined {
  return process.getuid?.() === 0 ? undefined : "needs root";
}

/** @throws {NodeJS.ErrnoException} when the kernel refuses the change */
export function withIdentity<Answer>({ uid, gids }: Identity, action: () => Answer): Answer {
  const own = process.getgroups?.() ?? [];
  const gid = gids[0] ?? 0;
  setGroups(gids);
  three(SETRESGID, gid, gid, gid);
  three(SETRESUID, uid, uid, 0);
  try {
    return action();
  } finally {
    three(SETRESUID, 0, 0, 0);
    three(SETRESGID, 0, 0, 0);
    setGroups(own);
  }
}

function three(number: number, real: number, effective: number, saved: number): void {
  check("setresid", libc().syscall3(number, real, effective, saved));
}

function setGroups(gids: readonly number[]): void {
  const list = Buffer.from(Uint32Array.from(gids).buffer);
  check("setgroups", libc().syscallList(SETGROUPS, gids.length, list));
}
