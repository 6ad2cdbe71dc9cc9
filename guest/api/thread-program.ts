/**
 * A Node program that runs as a worker thread of the agent's process (`isolation: thread`): what the agent and
 * the file that the worker begins with (guest/program/thread.ts) agree on. Imports nothing: both sides, and the
 * image builder, load it.
 */

/** The worker begins with this file, which then loads the program's. */
export const THREAD_FILE = "/usr/lib/windlass/thread.cjs";

/** What the worker is given as its `workerData`. */
export interface ThreadStart {
  /** Absolute path of the program's script. */
  readonly script: string;
  /** A MessagePort: signals go in as SignalMessage, and come back when nobody handles them. */
  readonly signals: unknown;
  /** Descriptors that its output goes to. */
  readonly output: { readonly stdout: number; readonly stderr: number };
}

export interface SignalMessage {
  readonly signal: string;
  /** The program sends it to itself. */
  readonly isOwn?: boolean;
}

export interface ThreadCommand {
  /** Flags for Node, each one word: "--enable-source-maps". */
  readonly flags: readonly string[];
  readonly script: string;
  readonly args: readonly string[];
}

/**
 * Takes a command line of Node's apart.
 *
 * @param argv `[node, ...flags, script, ...args]`
 * @throws {RangeError} when there is no script, or a flag before it that is none of one word
 */
export function threadCommand(argv: readonly string[]): ThreadCommand {
  const at = argv.findIndex((word, index) => index > 0 && !word.startsWith("--"));
  const script = argv[at];
  if (script === undefined) throw new RangeError("a worker needs a script to run");
  if (script.startsWith("-")) throw new RangeError(`a worker cannot have the flag ${script}`);
  if (!script.startsWith("/")) throw new RangeError(`${script} is no absolute path of a script`);
  return { flags: argv.slice(1, at), script, args: argv.slice(at + 1) };
}
