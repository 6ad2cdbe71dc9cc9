/** Starting programs for exec and /app: environment, user, folder, and the end of the whole group. */
import type { ChildProcess } from "node:child_process";
import { stat } from "node:fs/promises";
import { signalNumber } from "../api/signal.ts";
import { AgentError } from "./agent-error.ts";
import { takePrivilegesFrom } from "./child-priority.ts";
import type { Credentials } from "./guest-system.ts";
import type { Agent } from "./operation.ts";
import { findProgram, type ProgramPlace } from "./program-path.ts";
import { type SpawnAsOptions, spawnAs } from "./program-user.ts";

/** Between SIGHUP or SIGTERM and SIGKILL for a command whose caller went away. */
const KILL_AFTER_MS = 2000;

export interface Command {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  readonly user?: string;
}

/** @throws {AgentError} 422 when there is no such user */
export async function credentialsOf(agent: Agent, user: string): Promise<Credentials> {
  try {
    return await agent.system.resolveUser(user);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AgentError("WL_AGENT_EXEC_FAILED", `Cannot run as "${user}": ${why}`, error);
  }
}

/**
 * Starts the command in a process group of its own and resolves once it runs.
 * @throws {AgentError} 422 when it cannot be started
 */
export async function startCommand(
  agent: Agent,
  command: Command,
  options: Pick<SpawnAsOptions, "stdio" | "detached">,
): Promise<ChildProcess> {
  const [asked = ""] = command.argv;
  const place = placeOf(agent, command);
  const user = command.user === undefined ? undefined : await credentialsOf(agent, command.user);
  const home = user?.home === undefined ? {} : { HOME: user.home };
  try {
    const child = spawnAs(user, command.argv, {
      detached: true,
      ...options,
      cwd: place.cwd,
      env: { ...agent.environment, ...home, ...command.env },
    });
    takePrivilegesFrom(agent.system.procRoot, child.pid);
    await new Promise<void>((started, reject) => {
      child.once("spawn", started);
      child.once("error", reject);
    });
    // A later error (a kill that failed) is told by the exit, never by a crash of the agent.
    child.on("error", () => {});
    return child;
  } catch (error) {
    throw new AgentError("WL_AGENT_EXEC_FAILED", await whyNot(asked, place.cwd, error), error);
  }
}

function placeOf(agent: Agent, { env, workdir }: Command): ProgramPlace {
  const path = env?.["PATH"] ?? agent.environment["PATH"];
  return { cwd: workdir ?? agent.workdir, path };
}

/**
 * Where a command's program is: `findProgram` with the command's own PATH.
 * @throws {AgentError} 422 when there is none
 */
export async function programPath(agent: Agent, command: Command): Promise<string> {
  const [file = ""] = command.argv;
  const place = placeOf(agent, command);
  try {
    return findProgram(file, place);
  } catch (error) {
    throw new AgentError("WL_AGENT_EXEC_FAILED", await whyNot(file, place.cwd, error), error);
  }
}

async function whyNot(file: string, cwd: string, error: unknown): Promise<string> {
  const code = (error as NodeJS.ErrnoException).code;
  // The system call reports a missing folder and a missing program alike.
  const folder = await stat(cwd).catch(() => undefined);
  if (!folder?.isDirectory()) return `Cannot start "${file}": there is no folder "${cwd}"`;
  if (code === "ENOENT") return `Cannot start "${file}": no such program in the guest`;
  if (code === "EACCES") return `Cannot start "${file}": it is not executable`;
  return `Cannot start "${file}": ${error instanceof Error ? error.message : String(error)}`;
}

/** Signals the command and all that it started in its group. */
export function signalGroup(child: ChildProcess, signal: string): void {
  const number = signalNumber(signal);
  if (child.pid === undefined || number === undefined) return;
  try {
    process.kill(-child.pid, number);
  } catch {
    // It has no group of its own, or all of that has ended.
    if (!hasEnded(child)) process.kill(child.pid, number);
  }
}

/** Asks the command to end, and makes it end when it does not. */
export function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (hasEnded(child)) return;
  signalGroup(child, signal);
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS);
  timer.unref();
  child.once("exit", () => clearTimeout(timer));
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
