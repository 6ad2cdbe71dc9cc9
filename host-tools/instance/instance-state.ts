/** States of an instance, and which action is legal in which: one table. Pure. */
import { HostError } from "../errors.ts";

/**
 * - created: never started
 * - running: its QEMU runs
 * - suspended: its QEMU runs, the machine stands still
 * - exited: its QEMU has ended
 */
export type InstanceState = "created" | "running" | "suspended" | "exited";

export type InstanceAction =
  | "start"
  | "stop"
  | "restart"
  | "kill"
  | "wait"
  | "remove"
  | "suspend"
  | "resume"
  | "checkpoint"
  | "talk";

const LEGAL = {
  start: ["created", "exited"],
  stop: ["running", "suspended"],
  restart: ["created", "running", "suspended", "exited"],
  kill: ["running", "suspended"],
  wait: ["running", "suspended", "exited"],
  remove: ["created", "exited"],
  suspend: ["running"],
  resume: ["suspended"],
  checkpoint: ["running", "suspended"],
  /** Anything that needs the guest's agent: exec, cp, api, stats, top. */
  talk: ["running"],
} as const satisfies Record<InstanceAction, readonly InstanceState[]>;

const ADVICE: Record<InstanceAction, string> = {
  start: '"windlass restart" stops it first',
  stop: '"windlass ps -a" shows the state of every instance',
  restart: "Wait until somebody else's change has ended",
  kill: '"windlass ps -a" shows the state of every instance',
  wait: 'Start it with "windlass start"',
  remove: 'Stop it first, or use "windlass rm -f"',
  suspend: 'Start it with "windlass start"',
  resume: '"windlass ps -a" shows the state of every instance',
  checkpoint: 'Start it with "windlass start"',
  talk: 'Start it with "windlass start"',
};

const VERBS: Partial<Record<InstanceAction, string>> = {
  talk: "reach",
  wait: "wait for",
  checkpoint: "take a checkpoint of",
};

/** Whether there is a QEMU. */
export function isUp(state: InstanceState): boolean {
  return state === "running" || state === "suspended";
}

export function isLegal(action: InstanceAction, state: InstanceState): boolean {
  return (LEGAL[action] as readonly InstanceState[]).includes(state);
}

/** @throws {HostError} WL_INSTANCE_STATE */
export function checkLegal(action: InstanceAction, state: InstanceState, name: string): void {
  if (isLegal(action, state)) return;
  const verb = VERBS[action] ?? action;
  const isStill = state === "suspended" && action !== "remove";
  const next = isStill ? `Continue it with "windlass resume ${name}"` : ADVICE[action];
  throw new HostError("WL_INSTANCE_STATE", `Cannot ${verb} instance "${name}": it is ${state}`, {
    next,
  });
}
