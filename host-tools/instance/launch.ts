/** Starting the QEMU of an instance, on ports that are free. */
import { AGENT_PORT } from "../../guest/api/routes.ts";
import type { FileLock } from "../../image-builder/store/file-lock.ts";
import { HostError } from "../errors.ts";
import { reserveHostPorts } from "../network/host-port.ts";
import { DEFAULT_HOST_ADDRESS, type PublishRequest } from "../network/publish.ts";
import type { Machine, PortForward } from "../qemu/machine.ts";
import { type QemuProcess, type QemuStart, startQemu } from "../qemu/process.ts";

/** Another process may take the agent's port between our choice and QEMU's bind: try again. */
const AGENT_PORT_TRIES = 5;

export interface LaunchOptions extends Omit<QemuStart, "lockFd"> {
  readonly publish: readonly PublishRequest[];
  /** Inherited by QEMU, which so holds the instance's lock as long as it lives. */
  readonly alive: FileLock;
}

export interface Launched {
  /** Its monitor is open; the caller closes it. */
  readonly qemu: QemuProcess;
  /** The published ports. */
  readonly forwards: readonly PortForward[];
  /** Port of 127.0.0.1 that leads to the agent. */
  readonly agentPort: number;
  /** This host's clock when QEMU was executed, Unix time in milliseconds. */
  readonly executedAtMs: number;
  /** And when its monitor answered. */
  readonly monitorAtMs: number;
}

/**
 * @param describe makes the machine with the ports that were found free
 * @throws what `startQemu` and `reserveHostPorts` throw; nothing runs then
 */
export async function launchQemu(
  describe: (forwards: readonly PortForward[]) => Machine,
  { publish, alive, ...start }: LaunchOptions,
): Promise<Launched> {
  const agent: PublishRequest = {
    protocol: "tcp",
    hostAddress: DEFAULT_HOST_ADDRESS,
    hostPort: undefined,
    guestPort: AGENT_PORT,
  };
  for (let attempt = 1; ; attempt += 1) {
    const reservation = await reserveHostPorts([agent, ...publish]);
    const [agentForward, ...forwards] = reservation.forwards;
    const all = reservation.forwards;
    await reservation.close();
    try {
      const executedAtMs = Date.now();
      const qemu = await startQemu(describe(all), { ...start, lockFd: alive.fd });
      const agentPort = agentForward?.hostPort ?? 0;
      return { qemu, forwards, agentPort, executedAtMs, monitorAtMs: Date.now() };
    } catch (error) {
      const taken = error instanceof HostError && error.code === "WL_PORT_UNAVAILABLE";
      if (!taken || attempt === AGENT_PORT_TRIES) throw error;
    }
  }
}
