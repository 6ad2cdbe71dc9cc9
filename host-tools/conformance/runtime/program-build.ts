/** Builds a case program with a compiler of this host. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { HostError } from "../../errors.ts";
import type { MissingRow } from "../suite.ts";
import { printable } from "../verdict.ts";

const run = promisify(execFile);
const BUILD_TIMEOUT_MS = 120_000;

export interface BuildCommand {
  readonly argv: readonly string[];
  /** Where it is run. */
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Debian packages that have the compiler and what it needs. */
  readonly packages: readonly string[];
}

/**
 * @returns what is missing, when the compiler is
 * @throws {HostError} WL_CONFORMANCE_FAILED when it refuses the program; or the signal's reason
 */
export async function buildProgram(
  { argv, folder, env, packages }: BuildCommand,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<MissingRow | undefined> {
  const [compiler = "", ...args] = argv;
  try {
    await run(compiler, args, {
      cwd: folder,
      env: { ...process.env, LC_ALL: "C.UTF-8", ...env },
      timeout: BUILD_TIMEOUT_MS,
      ...(signal && { signal }),
    });
    return undefined;
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      return { kind: "missing", what: compiler, packages };
    }
    const words = cause instanceof Error && "stderr" in cause ? String(cause.stderr) : "";
    const [first] = words.split("\n").filter((line) => /error|cannot|not found/i.test(line));
    const why = printable(first ?? (words.trim() || String(cause)));
    throw new HostError(
      "WL_CONFORMANCE_FAILED",
      `Cannot build a program with ${compiler}: ${why}`,
      { next: `Check that ${packages.join(" ")} is installed whole` },
      cause,
    );
  }
}
