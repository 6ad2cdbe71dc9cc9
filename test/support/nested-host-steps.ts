/** What nested-host.ts and the program in the host VM, nested-host-program.ts, agree on. */

/** Where nested-host-files.ts puts things in the host VM. */
export const NESTED = {
  /** Windlass itself, as npm would install it. */
  windlass: "/opt/windlass",
  home: "/var/lib/windlass",
  program: "/opt/nested-host/program.mjs",
  image: "hello",
} as const;

export interface CommandResult {
  readonly args: readonly string[];
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

/** Every step, in this order. */
export interface NestedResults {
  readonly doctor: CommandResult;
  readonly run: CommandResult;
  /** Command line of the QEMU that `run` left running. */
  readonly qemuArgv: readonly string[];
  /** What the program answered on its published port. */
  readonly answer: string;
  readonly kernelCommandLine: CommandResult;
  readonly exec: CommandResult;
  /** The file with what probe guests found, after the first start and after the second one. */
  readonly probesAfterRun: string;
  readonly stop: CommandResult;
  readonly start: CommandResult;
  readonly probesAfterStart: string;
  readonly remove: CommandResult;
  /** Interrupted as soon as QEMU runs. */
  readonly forcedTcg: CommandResult;
  readonly list: CommandResult;
  /** The program's last word. */
  readonly failure: string | null;
}
