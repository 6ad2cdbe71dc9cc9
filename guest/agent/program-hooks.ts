/**
 * Hooks of programs in other languages: a signal, or a request to the program's own server.
 *
 * Unlike a Node program that uses `windlass/guest`, such a program does not sleep: it runs on until
 * everything is stopped, and again from the moment the clone runs, while the after-hook is on its way.
 */
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type { ProgramHook, ProgramHooks } from "../api/program-hooks.ts";
import type { WakeRecord } from "../api/wake-record.ts";
import { AgentError } from "./agent-error.ts";

/** For a program's reply: as long as a pool of busy connections may take to drain. */
const HTTP_HOOK_TIMEOUT_MS = 30_000;

export interface ProgramHookRun {
  readonly spec: { readonly hooks?: ProgramHooks | undefined };
  /** The program's; 0 and below address other processes, and are refused. */
  readonly pid: number;
  readonly signal: AbortSignal;
  /** For an HTTP hook; default 30 000. */
  readonly timeoutMs?: number;
}

/**
 * Resolves when the program has done what it does before it is saved: an HTTP hook replied with 2xx,
 * or `settleMs` have passed since a signal, to which there is no reply.
 *
 * @throws {AgentError} 409 when the program refused, did not reply in time or has ended
 */
export async function runBeforeHooks(run: ProgramHookRun): Promise<void> {
  const { hooks } = run.spec;
  if (!hooks?.beforeTemplate) return;
  await runHook(hooks.beforeTemplate, "beforeTemplate", { kind: "template" }, run);
  if (hooks.beforeTemplate.kind === "signal") {
    await pause(hooks.settleMs, undefined, { signal: run.signal });
  }
}

/**
 * Tells the program that it runs again, and as whom.
 *
 * @throws {AgentError} 409 as runBeforeHooks; the program runs whatever it said
 */
export async function runAfterHooks(
  run: ProgramHookRun & { readonly record: WakeRecord },
): Promise<void> {
  const hook = run.spec.hooks?.afterClone;
  if (hook) await runHook(hook, "afterClone", run.record, run);
}

async function runHook(
  hook: ProgramHook,
  name: keyof ProgramHooks,
  message: object,
  { pid, signal, timeoutMs = HTTP_HOOK_TIMEOUT_MS }: ProgramHookRun,
): Promise<void> {
  signal.throwIfAborted();
  // Not AbortSignal.timeout: nothing stops that, and it would go off in every clone.
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  try {
    if (hook.kind === "signal") sendSignal(pid, hook.signal);
    else await post(hook, message, AbortSignal.any([signal, timeout.signal]));
  } catch (error) {
    signal.throwIfAborted();
    const why = timeout.signal.aborted
      ? `no reply in ${timeoutMs} ms`
      : String((error as Error).message);
    const what = `The program's ${name} hook (${textOf(hook)}) failed: ${why}`;
    throw new AgentError("WL_AGENT_CONFLICT", what, error);
  } finally {
    clearTimeout(timer);
  }
}

function sendSignal(pid: number, signal: string): void {
  if (pid <= 0) throw new RangeError("the program does not run");
  process.kill(pid, signal);
}

async function post(
  { port, path }: Extract<ProgramHook, { kind: "http" }>,
  message: object,
  signal: AbortSignal,
): Promise<void> {
  const body = JSON.stringify(message);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  await new Promise<void>((resolve, reject) => {
    const target = { host: "127.0.0.1", port, path, method: "POST", headers, agent: false };
    const call = request({ ...target, signal }, (response) => {
      const { statusCode = 0 } = response;
      if (statusCode >= 200 && statusCode < 300) resolve();
      else reject(new Error(`HTTP status ${statusCode}`));
      response.resume();
    });
    call.on("error", reject);
    call.end(body);
  });
}

function textOf(hook: ProgramHook): string {
  return hook.kind === "signal" ? hook.signal : `POST http://127.0.0.1:${hook.port}${hook.path}`;
}
