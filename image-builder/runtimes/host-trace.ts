/** One run of a program on this machine, watched with strace(1), for what no file says that it opens. */
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { tracedPaths } from "./trace-output.ts";

/** Of one process; a longer one is something else than a start. */
const MAX_TRACE_BYTES = 134_217_728;
/** What the guest has of its own, or never has. */
const NOT_TAKEN =
  /^\/(proc|sys|dev|run|tmp|var\/(tmp|run|cache|log)|home|root)\/|^\/etc\/(ld\.so\.(cache|preload)|passwd|group|shadow|gshadow|hosts|hostname|resolv\.conf|nsswitch\.conf|os-release|machine-id|localtime)$/;

/**
 * Runs a command to its end; its output goes to standard error, its exit status is its own affair.
 *
 * @param root the project's folder, which is the command's working folder and the guest's /app
 * @returns guest paths of regular files, in order; none of a user's own folder
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when the command or strace cannot be run
 */
export async function traceRun(
  argv: readonly string[],
  root: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "windlass-trace-"));
  try {
    await runStrace(argv, root, join(folder, "trace"), signal);
    const paths = new Set<string>();
    for (const name of await readdir(folder)) {
      const file = join(folder, name);
      if (statSync(file).size > MAX_TRACE_BYTES) throw failed(argv, "it opens too many files");
      for (const path of tracedPaths(await readFile(file, "latin1"), root)) {
        const guestPath = guestPathOf(path, root);
        if (guestPath !== undefined) paths.add(guestPath);
      }
    }
    return [...paths].sort();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function guestPathOf(path: string, root: string): string | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  if (path.startsWith(`${root}/`)) return join(APP_PATH, path.slice(root.length));
  const isPrivate = NOT_TAKEN.test(path) || path.startsWith(`${homedir()}/`);
  return isPrivate ? undefined : path;
}

async function runStrace(
  argv: readonly string[],
  cwd: string,
  output: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const calls = "trace=open,openat,openat2,execve";
  const words = ["-ff", "-y", "-qq", "-e", calls, "-e", "signal=none", "-o", output, "--", ...argv];
  const child = spawn("strace", words, {
    cwd,
    stdio: ["ignore", 2, 2],
    ...(signal && { signal }),
  });
  await new Promise<void>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(signal?.aborted ? signal.reason : failed(argv, cause.message)),
    );
    child.once("close", () => resolve());
  });
  signal?.throwIfAborted();
}

function failed(argv: readonly string[], why: string): ImageError {
  return new ImageError("WL_IMAGE_PROJECT_INVALID", `Cannot trace ${argv.join(" ")}: ${why}`, {
    next: "Install strace (apt-get install strace), and try the command by itself",
  });
}
