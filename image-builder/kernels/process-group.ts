/**
 * A program with all the processes it starts. They end together: when the signal is aborted, when the
 * program ends, and when Windlass itself is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface GroupOptions {
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** Told of every line of output and error output. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GroupEnd {
  /** Exit status 0. */
  readonly succeeded: boolean;
  /** "exit status 2", "SIGKILL". */
  readonly how: string;
  /** The last lines it printed. */
  readonly lastLines: readonly string[];
}

/** Enough for the first error of two compilers and what make says after it. */
const LAST_LINES = 200;

/** @throws the signal's reason, after the last process has ended; Error when it cannot be started */
export async function runGroup(argv: readonly string[], options: GroupOptions): Promise<GroupEnd> {
  const { cwd, environment, onLine, signal } = options;
  signal?.throwIfAborted();
  // prctl(2), PR_SET_PDEATHSIG: make ends its jobs when it gets SIGTERM.
  const words = ["--pdeathsig", "TERM", "nice", ...argv];
  const child = spawn("setpriv", words, {
    cwd,
    env: { ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a session, and so a process group, of its own
  });
  const lastLines: string[] = [];
  const take = (line: string): void => {
    lastLines.push(line);
    if (lastLines.length > LAST_LINES) lastLines.shift();
    onLine?.(line);
  };
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", take);
  const kill = (): void => killGroup(child);
  signal?.addEventListener("abort", kill, { once: true });
  try {
    const how = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", kill); // A job that outlives its make would hold the pipes open.
      child.once("close", (status, by) => resolve(by ?? `exit status ${status}`));
    });
    signal?.throwIfAborted();
    return { succeeded: how === "exit status 0", how, lastLines };
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // All ended already.
  }
}
