/** Runs the npm client that came with Node; no shell, bounded output. */
import { execFile } from "node:child_process";
import { ImageError } from "../errors.ts";

/**
 * @returns what npm wrote to standard output
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when npm is missing or fails
 */
export type NpmRunner = (
  args: readonly string[],
  options: { signal?: AbortSignal },
) => Promise<string>;

/** `npm pack --json` of Node lists some 2,700 files in 0.4 MB. */
const OUTPUT_MAX_BYTES = 16 * 1_048_576;

/** One retry after a second: a host without network should say so soon. */
const NETWORK_FLAGS = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"];

export const runNpm: NpmRunner = (args, { signal }) =>
  new Promise((resolve, reject) => {
    // In "/", so that no project's package.json or workspaces take part.
    const options = { cwd: "/", maxBuffer: OUTPUT_MAX_BYTES, ...(signal && { signal }) };
    execFile("npm", [...args, ...NETWORK_FLAGS], options, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else if (signal?.aborted) reject(signal.reason);
      else reject(npmError(args, error, stderr));
    });
  });

function npmError(args: readonly string[], error: Error, stderr: string): ImageError {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") {
    return new ImageError(
      "WL_IMAGE_RUNTIME_UNAVAILABLE",
      "Cannot run npm: it is not installed",
      { next: "Install npm (apt-get install npm)" },
      error,
    );
  }
  // npm's first lines carry the code and the reason; the rest points at log files.
  const reasons = stderr
    .split("\n")
    .filter((line) => /^npm (error|ERR!) /.test(line))
    .map((line) => line.replace(/^npm (error|ERR!) /, "").trim());
  return new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `Cannot run "npm ${args.slice(0, 2).join(" ")}": ${reasons.slice(0, 2).join(", ") || error.message}`,
    { next: "Check the network and npm's settings (npm ping), then build again" },
    error,
  );
}
