/** States of an instance, and which action is legal in which: one table. Pure. */
import { HostError } from "../errors.ts";

/**
 * - created: never started
 * - running: its QEMU runs
 * - exited: its QEMU has ended
 */
export type InstanceState = "created" | "running" | "exited";

export type InstanceAction = "start" | "stop" | "restart" | "kill" | "wait" | "remove" | "talk";

const LEGAL = {
  start: ["created", "exited"],
  stop: ["running"],
  restart: ["created", "running", "exited"],
  kill: ["running"],
  wait: ["running", "exited"],
  remove: ["created", "exited"],
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
  talk: 'Start it with "windlass start"',
};

const VERBS: Partial<Record<InstanceAction, string>> = { talk: "reach", wait: "wait for" };

export function isLegal(action: InstanceAction, state: InstanceState): boolean {
  return (LEGAL[action] as readonly InstanceState[]).includes(state);
}

/** @throws {HostError} WL_INSTANCE_STATE */
export function checkLegal(action: InstanceAction, state: InstanceState, name: string): void {
  if (isLegal(action, state)) return;
  const verb = VERBS[action] ?? action;
  throw new HostError("WL_INSTANCE_STATE", `Cannot ${verb} instance "${name}": it is ${state}`, {
    next: ADVICE[action],
  });
}
