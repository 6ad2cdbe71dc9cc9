/** What process 1 of a guest starts by itself (guest/api/starter.ts): pure. */
import type { InstanceDocument } from "../../guest/api/instance-document.ts";
import { programEnvironment } from "../../guest/api/program-environment.ts";
import { AGENT_PORT } from "../../guest/api/routes.ts";
import { hostsFile } from "../../guest/api/wake-message.ts";
import { starterExecutable } from "../../image-builder/first-process/starter.ts";

const DEVICE = "eth0";
/** Its home is that of the base's /etc/passwd; others are looked up in the guest. */
const ROOT = /^(0|root)(:(0|root))?$/;
/**
 * Within these V8's own heap limit fits the machine (guest/init/exit-reason.ts, heapLimitMib); without, the guest
 * measures first.
 */
const NODE_MEMORY_MIN_MIB = 352;
const NODE_MEMORY_MAX_MIB = 4096;

/**
 * The starter; empty where the agent has to start the program, because something comes before it (a lease, a disk,
 * a user's name, a measurement), or it reads from the agent.
 */
export function starterFile(
  { hostname, network, program, scratch }: InstanceDocument,
  memoryMib: number,
): Uint8Array {
  const { argv, env, workdir, user, isNode, openStdin } = program;
  const fitsHeap = memoryMib >= NODE_MEMORY_MIN_MIB && memoryMib <= NODE_MEMORY_MAX_MIB;
  if (program.isolation === "thread") return new Uint8Array();
  const isPath = argv[0]?.startsWith("/") === true;
  const isSimple = isPath && ROOT.test(user) && !scratch && !openStdin && (!isNode || fitsHeap);
  if (!isSimple || network.mode === "dhcp") return new Uint8Array();
  return starterExecutable({
    hostname,
    hosts: hostsFile(hostname),
    network: network.mode === "static" ? { ...network, device: DEVICE } : undefined,
    agentPort: AGENT_PORT,
    argv,
    environment: programEnvironment(env, { home: "/root", heapMib: undefined, isNode }),
    workdir,
  });
}
