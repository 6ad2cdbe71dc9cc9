/** The programs that the agent is helped by, in /sbin of the guest. */
import { terminalHelperExecutable } from "./terminal-helper.ts";
import { trimHelperExecutable } from "./trim-helper.ts";
import { userHelperExecutable } from "./user-helper.ts";
import { wakeHelperExecutable } from "./wake-helper.ts";

export interface HelperExecutable {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export function helperExecutables(): HelperExecutable[] {
  return [
    { name: "windlass-tty", bytes: terminalHelperExecutable() },
    { name: "windlass-wake", bytes: wakeHelperExecutable() },
    { name: "windlass-trim", bytes: trimHelperExecutable() },
    { name: "windlass-user", bytes: userHelperExecutable() },
  ];
}
