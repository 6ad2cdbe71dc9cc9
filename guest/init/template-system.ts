/** What the template gate (guest/agent/template-gate.ts) needs, over system calls. */
import type { GateSystem } from "../agent/template-gate.ts";
import { AGENT_PORT } from "../api/routes.ts";
import { WAKE_PORT } from "../api/wake-message.ts";
import { ignoreStoppedChildren } from "../syscalls/child-signal.ts";
import { type NativeLibrary, systemCallError } from "../syscalls/koffi.ts";
import { eventDescriptor } from "./event-descriptor.ts";
import { openVirtioPort } from "./virtio-port.ts";

export function gateSystem(native: NativeLibrary, journalFd: number): GateSystem {
  return {
    journalFd,
    eventFd: () => eventDescriptor(AGENT_PORT),
    ignoreStoppedChildren: () => ignoreStoppedChildren(native),
    openWakePort() {
      const port = openVirtioPort(WAKE_PORT, "r");
      if (port === undefined) throw new Error("this machine has no port to be woken through");
      return port;
    },
    makeFifo(path, mode) {
      const mkfifo = native.libc.func("int mkfifo(const char *path, unsigned int mode)");
      if (mkfifo(path, mode) === 0) return;
      throw systemCallError("mkfifo", native.errno(), `make ${path}`);
    },
  };
}
