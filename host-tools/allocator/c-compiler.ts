/** Small C programs of ours, compiled where they are used: no machine code is in the project. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { HostError } from "../errors.ts";

const run = promisify(execFile);

const COMPILER = "cc";

export interface CSource {
  /** What it is for, for errors: "the replayer". */
  readonly subject: string;
  readonly text: string;
  /** Beside the usual ones, for example -shared. */
  readonly flags: readonly string[];
}

/**
 * Compiles one file.
 *
 * @param target path of what is made; the source is put beside it
 * @throws {HostError} WL_COMPILER_UNAVAILABLE when there is no compiler, or it fails; or the signal's reason
 */
export async function compileC(
  { subject, text, flags }: CSource,
  target: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const source = `${target}.c`;
  await writeFile(source, text);
  try {
    const usual = ["-std=gnu11", "-O2", "-Wall", "-Werror"];
    await run(COMPILER, [...usual, ...flags, "-o", target, source], {
      env: { ...process.env, LC_ALL: "C" },
      ...(signal && { signal }),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new HostError(
      "WL_COMPILER_UNAVAILABLE",
      `Cannot compile ${subject}: ${whyOf(cause)}`,
      { next: 'As root, run "apt-get install gcc libc6-dev"' },
      cause,
    );
  }
}

function whyOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if ("code" in cause && cause.code === "ENOENT") return `there is no "${COMPILER}"`;
  const words = "stderr" in cause ? String(cause.stderr).trim() : "";
  return words.split("\n", 1)[0] || cause.message;
}
