/** Runs an interpreter of this host for what only it knows: where its library is, how it compiles. */
import { spawn } from "node:child_process";
import { ImageError } from "../errors.ts";

const TIMEOUT_MS = 180_000;
/** Of what it prints: the compiled modules of a project. */
const OUTPUT_MAX_BYTES = 512 << 20;
const ERRORS_MAX_BYTES = 64 << 10;

export interface InterpreterRun {
  /** Absolute path of the interpreter. */
  readonly executable: string;
  readonly args: readonly string[];
  /** Its whole environment, but for PATH, HOME and LANG. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Its standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The root is its working folder, so that nothing of a project is taken for a part of its library.
 *
 * @returns what it printed
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when it does not start, fails, or takes 3 minutes
 */
export async function runInterpreter(run: InterpreterRun): Promise<Buffer> {
  const { executable, args, environment = {}, input = "", signal } = run;
  signal?.throwIfAborted();
  const { PATH = "/usr/bin:/bin", HOME = "/" } = process.env;
  const child = spawn(executable, [...args], {
    cwd: "/",
    env: { PATH, HOME, LANG: "C.UTF-8", ...environment },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    ...(signal && { signal }),
  });
  const output = collected(child.stdout, OUTPUT_MAX_BYTES, () => child.kill("SIGKILL"));
  const errors = collected(child.stderr, ERRORS_MAX_BYTES, () => {});
  // One that ends before it has read everything says why itself.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const failure = await new Promise<string | undefined>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, killedBy) => {
      resolve(code === 0 ? undefined : killedBy ? `ended by ${killedBy}` : `exit status ${code}`);
    });
  });
  signal?.throwIfAborted();
  if (failure === undefined) return output();
  const lastWords = errors().toString().trim().split("\n").at(-1) ?? "";
  throw new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `Cannot run ${JSON.stringify(executable)}: ${failure}${lastWords && `: ${lastWords}`}`,
    {
      file: executable,
      next: "Install this interpreter again, or choose another one with runtime",
    },
  );
}

/** What a stream says, as far as the limit; `onMore` when it goes on. */
function collected(stream: NodeJS.ReadableStream, limit: number, onMore: () => void): () => Buffer {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  stream.on("data", (part: Buffer) => {
    sizeBytes += part.length;
    if (sizeBytes <= limit) parts.push(part);
    else onMore();
  });
  return () => Buffer.concat(parts);
}
