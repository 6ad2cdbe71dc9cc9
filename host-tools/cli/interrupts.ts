/**
 * Ctrl-C and its like. The first one asks: every wait of the command is given `signal`. The second
 * presses: `urgent` is for commands that then skip the polite part. The third one ends the process.
 */
import { constants } from "node:os";

export interface Interrupts {
  readonly signal: AbortSignal;
  readonly urgent: AbortSignal;
  /** Ends the command as if it had been interrupted, for another reason: nobody reads its output. */
  abort(reason: Error): void;
}

/** The reason of `Interrupts.signal`. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** As shells have it: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP. */
  readonly exitCode: number;
  readonly signalName: NodeJS.Signals;

  constructor(signalName: NodeJS.Signals) {
    super(`Interrupted by ${signalName}`);
    this.signalName = signalName;
    this.exitCode = 128 + constants.signals[signalName];
  }
}

/** The reason when standard output was closed: `windlass logs -f web | head -1`. Not a failure. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
  readonly exitCode = 0;

  constructor() {
    super("Nobody reads the output any more");
  }
}

export function isInterruption(error: unknown): error is Interrupted | OutputClosed {
  return error instanceof Interrupted || error instanceof OutputClosed;
}

/** Begins to handle this process's signals. */
export function handleInterrupts(): Interrupts {
  const polite = new AbortController();
  const urgent = new AbortController();
  const handle = (name: NodeJS.Signals): void => {
    const reason = new Interrupted(name);
    if (!polite.signal.aborted) polite.abort(reason);
    else if (!urgent.signal.aborted) urgent.abort(reason);
    else process.exit(reason.exitCode);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, handle);
  return {
    signal: polite.signal,
    urgent: urgent.signal,
    abort: (reason) => polite.abort(reason),
  };
}
