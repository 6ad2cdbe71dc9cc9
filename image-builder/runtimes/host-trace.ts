/** One run of a program on this machine, watched with strace(1), for what no file says that it opens. */
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { LOCK_FILE } from "./trace-lock.ts";
import { tracedPaths } from "./trace-output.ts";

/** Of one process; a longer one is something else than a start. */
const MAX_TRACE_BYTES = 134_217_728;
const SUCCESS = "status 0";
/** What the guest has of its own, or never has. */
const NOT_TAKEN =
  /^\/(proc|sys|dev|run|tmp|var\/(tmp|run|cache|log)|home|root)\/|^\/etc\/(ld\.so\.(cache|preload)|passwd|group|shadow|gshadow|hosts|hostname|resolv\.conf|nsswitch\.conf|os-release|machine-id|localtime)$/;

export interface TracedRun {
  /** Guest paths of regular files, in order; none of a user's own folder. */
  readonly paths: readonly string[];
  /** How it ended, if not with status 0: it may have opened less than it does at other times. */
  readonly warning: string | undefined;
}

/**
 * Runs a command to its end; its output goes to standard error.
 *
 * @param root the project's folder, which is the command's working folder and the guest's /app
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when the command or strace cannot be run
 */
export async function traceRun(
  argv: readonly string[],
  root: string,
  signal: AbortSignal | undefined,
): Promise<TracedRun> {
  const folder = await mkdtemp(join(tmpdir(), "windlass-trace-"));
  try {
    const ending = await runStrace(argv, root, join(folder, "trace"), signal);
    const seen = new Set<string>();
    for (const name of await readdir(folder)) {
      const file = join(folder, name);
      if (statSync(file).size > MAX_TRACE_BYTES) throw failed(argv, "it opens too many files");
      for (const path of tracedPaths(await readFile(file, "latin1"), root)) seen.add(path);
    }
    // A program that runs has been started, which is a path, too.
    if (seen.size === 0) throw failed(argv, "it cannot be started");
    const warning = `The traced run of ${JSON.stringify(argv.join(" "))} ended with ${ending}: ${LOCK_FILE} has what it opened until then`;
    return { paths: guestPathsOf(seen, root), warning: ending === SUCCESS ? undefined : warning };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function guestPathsOf(paths: ReadonlySet<string>, root: string): string[] {
  const guestPaths = [...paths].map((path) => guestPathOf(path, root));
  return [...new Set(guestPaths.filter((path) => path !== undefined))].sort();
}

function guestPathOf(path: string, root: string): string | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  if (path.startsWith(`${root}/`)) return join(APP_PATH, path.slice(root.length));
  const isPrivate = NOT_TAKEN.test(path) || path.startsWith(`${homedir()}/`);
  return isPrivate ? undefined : path;
}

/** @returns how the command ended, in words: strace ends as it does */
async function runStrace(
  argv: readonly string[],
  cwd: string,
  output: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  const calls = "trace=open,openat,openat2,execve";
  const words = ["-ff", "-y", "-qq", "-e", calls, "-e", "signal=none", "-o", output, "--", ...argv];
  // In a group of its own, because strace blocks the signals that would end it, and the command has children.
  const child = spawn("strace", words, { cwd, stdio: ["ignore", 2, 2], detached: true });
  const kill = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  let failure: Error | undefined;
  child.once("error", (cause) => {
    failure = cause;
  });
  signal?.addEventListener("abort", kill);
  // Comes after a failure, too: nothing of the run is left then.
  const ending = await new Promise<string>((resolve) => {
    child.once("close", (status, killer) => resolve(killer ?? `status ${status}`));
  });
  signal?.removeEventListener("abort", kill);
  signal?.throwIfAborted();
  if (failure) throw failed(argv, failure.message);
  return ending;
}

function failed(argv: readonly string[], why: string): ImageError {
  return new ImageError("WL_IMAGE_PROJECT_INVALID", `Cannot trace ${argv.join(" ")}: ${why}`, {
    next: "Install strace (apt-get install strace), and try the command by itself",
  });
}
