/** Where case programs run: this host, a Linux guest; another system is one more module of this shape. */

export interface TargetCommand {
  /** argv[0] is an absolute path on the target. */
  readonly argv: readonly string[];
  /** Over the target's own environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Absolute path on the target; default: the folder of `put`. */
  readonly workdir?: string | undefined;
  /** All of standard input, which is closed after it; default: empty. */
  readonly stdin?: Uint8Array | undefined;
  /** Then the command and what it started is killed. */
  readonly timeoutMs: number;
}

export interface Outcome {
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Each at most OUTPUT_MAX_BYTES; what is beyond is dropped, and counted in the sizes. */
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly stdoutSizeBytes: number;
  readonly stderrSizeBytes: number;
  readonly timedOut: boolean;
  /** Since 1970, by the clock of this host: before the command was started, and after it had ended. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export const OUTPUT_MAX_BYTES = 8 * 1024 * 1024;

export interface TargetWaiting {
  readonly signal?: AbortSignal | undefined;
}

/** Disposing of it gives back what it made: folders, processes, machines; not an instance that was there before. */
export interface Target extends AsyncDisposable {
  /** What deviations call it. */
  readonly kind: TargetKind;
  /** For people: "host", "instance web", "image hello". */
  readonly name: string;
  /** Absolute path there of a Node that runs programs. */
  readonly nodePath: string;
  /** Where its programs reach this host's loopback: for servers of the runner. */
  readonly hostAddress: string;
  /** How many CPUs its programs have, as the target was made; undefined when nobody said. */
  readonly cpuCount: number | undefined;
  /**
   * Copies what is in a folder of this host into a new folder of the target; modes and links kept.
   * @returns its absolute path there
   */
  put(hostFolder: string, waiting?: TargetWaiting): Promise<string>;
  /**
   * Runs a command to its end. An end by status, signal or time is an outcome, not an error.
   * @throws {HostError} when it cannot be started, or the target is lost; the signal's reason
   */
  run(command: TargetCommand, waiting?: TargetWaiting): Promise<Outcome>;
  /** Another like it, as it was when it was opened, for a row that wants one for itself. */
  fork(waiting?: TargetWaiting): Promise<Target>;
}

/** An OSv guest joins here. */
export type TargetKind = "host" | "linux";
