/** An instance as `ps`, `run` and `start` show it. Pure. */
import { isUp } from "../instance/instance-state.ts";
import type { Instance } from "../instance/instances.ts";
import type { PortForward } from "../qemu/machine.ts";
import { agoText } from "./quantity-text.ts";

/** The JSON of `windlass ps --json`: a contract, members are only added. */
export interface InstanceView {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly state: Instance["state"];
  /** Of the last run; null while it runs and before the first. */
  readonly exitCode: number | null;
  /** ISO 8601, as the next two. */
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** Published now: empty when it does not run. */
  readonly ports: readonly PortForward[];
  readonly accelerator: "kvm" | "tcg" | null;
  /** Of QEMU; null when it does not run. */
  readonly pid: number | null;
  readonly memoryMib: number;
  readonly vcpuCount: number;
  readonly command: readonly string[];
}

export function instanceView({ record, state }: Instance): InstanceView {
  const { launch, end, options } = record;
  const running = isUp(state) ? launch : undefined;
  return {
    id: record.id,
    name: record.name,
    image: record.imageName,
    state,
    exitCode: running ? null : (end?.exitCode ?? null),
    createdAt: record.createdAt,
    startedAt: launch?.startedAt ?? null,
    finishedAt: running ? null : (end?.finishedAt ?? null),
    ports: running ? publishedPorts(running.forwards) : [],
    accelerator: launch?.accelerator ?? null,
    pid: running?.process.pid ?? null,
    memoryMib: options.memoryMib,
    vcpuCount: options.vcpuCount,
    command: options.program.argv,
  };
}

/** Without what only TypeScript hides: the members are a contract. */
function publishedPorts(forwards: readonly PortForward[]): PortForward[] {
  return forwards.map(({ protocol, hostAddress, hostPort, guestPort }) => {
    return { protocol, hostAddress, hostPort, guestPort };
  });
}

/** "127.0.0.1:8080->80/tcp", as Docker writes it. */
export function portText({ protocol, hostAddress, hostPort, guestPort }: PortForward): string {
  return `${hostAddress}:${hostPort}->${guestPort}/${protocol}`;
}

/** "Up 3 minutes", "Exited (7) 2 hours ago", "Created". */
export function statusText(view: InstanceView, nowMs: number): string {
  const since = (time: string | null): string => agoText(nowMs - Date.parse(time ?? ""));
  switch (view.state) {
    case "created":
      return "Created";
    case "running":
      return `Up ${since(view.startedAt)}`;
    case "suspended":
      return `Up ${since(view.startedAt)} (Suspended)`;
    case "exited":
      return `Exited (${view.exitCode ?? "?"}) ${since(view.finishedAt)} ago`;
  }
}
