/** Debian's own programs: apt, which checks signatures, and dpkg-deb. Nothing is installed by them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ImageError } from "../errors.ts";

const run = promisify(execFile);

export interface DebianTool {
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  /** What is fetched, for the error: "Debian's cloud kernel". */
  readonly subject: string;
}

/**
 * @returns what it printed
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when it is missing or fails; or the signal's reason
 */
export async function debianTool(
  program: string,
  args: readonly string[],
  { cwd, signal, subject }: DebianTool,
): Promise<string> {
  const options = { env: { ...process.env, LC_ALL: "C" }, ...(cwd && { cwd }) };
  try {
    const { stdout } = await run(program, [...args], { ...options, ...(signal && { signal }) });
    return stdout;
  } catch (cause) {
    signal?.throwIfAborted();
    const words = cause instanceof Error && "stderr" in cause ? String(cause.stderr) : "";
    throw unavailable(subject, `${program} failed: ${words.trim() || messageOf(cause)}`, cause);
  }
}

/** The error of everything that comes from Debian's archive. */
export function unavailable(subject: string, why: string, cause?: unknown): ImageError {
  return new ImageError(
    "WL_IMAGE_KERNEL_UNAVAILABLE",
    `Cannot fetch ${subject}: ${why}`,
    {
      next: 'As root, run "apt-get update"; or run "windlass kernel add FILE" with a kernel of yours',
    },
    cause,
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
