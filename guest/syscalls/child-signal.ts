/** sigaction(2) of SIGCHLD. */
import { constants } from "node:os";
import { type NativeLibrary, systemCallError } from "./koffi.ts";

/** glibc's struct sigaction on x86-64 (bits/sigaction.h): handler, 128 bytes of mask, flags, restorer. */
const SIGACTION_BYTES = 152;
const FLAGS_AT = 136;
/** SA_NOCLDSTOP: a child that stops or continues is no reason for a signal. */
const NO_STOPS = 1;

/**
 * Has the kernel send SIGCHLD only for children that end, as libuv, whose handler stays, wants it anyway. To
 * be called while there is a child: libuv installs its handler anew with the first one.
 *
 * @throws {NodeJS.ErrnoException}
 */
export function ignoreStoppedChildren({ libc, errno }: NativeLibrary): void {
  const sigaction = libc.func("int sigaction(int signal, const void *next, _Out_ void *previous)");
  const action = Buffer.alloc(SIGACTION_BYTES);
  const { SIGCHLD } = constants.signals;
  if (sigaction(SIGCHLD, null, action) !== 0)
    throw systemCallError("sigaction", errno(), "read SIGCHLD");
  action.writeInt32LE(action.readInt32LE(FLAGS_AT) | NO_STOPS, FLAGS_AT);
  if (sigaction(SIGCHLD, action, null) !== 0)
    throw systemCallError("sigaction", errno(), "set SIGCHLD");
}
