/**
 * All that the agent needs from the real machine. `guest/init` implements it over system calls; tests
 * implement it over temporary folders. Nothing in `guest/agent` touches the machine in another way,
 * except for files, child processes and Node's own `os`.
 */
import type { ProgramStatus } from "../api/program.ts";

export interface GuestSystem {
  /** Root of procfs, `/proc`. */
  readonly procRoot: string;
  /** Root of sysfs, `/sys`. */
  readonly sysRoot: string;
  hostname(): string;
  /** @throws when the kernel refuses */
  setHostname(name: string): void;
  /** Of the network card, "52:57:00:01:02:03". @throws when the kernel refuses */
  setMacAddress(address: string): void;
  /** Has the kernel's random numbers depend on these bytes from now on. @throws when the kernel refuses */
  reseed(entropy: Uint8Array): void;
  /** By what has passed while the machine stood still. @throws when the kernel refuses */
  advanceClock(milliseconds: number): void;
  /** The kernel's log, oldest line first. */
  dmesg(): string;
  /** Ends the program, syncs and powers off. Called after the reply is on its way. */
  poweroff(): void | Promise<void>;
  reboot(): void | Promise<void>;
  /**
   * Looks `name`, `uid`, `name:group` or `uid:gid` up in the guest's own user database.
   * @throws {Error} whose message says that there is no such user or group
   */
  resolveUser(user: string): Credentials | Promise<Credentials>;
  /** Absent where there are no pseudo terminals; then exec refuses `tty`. */
  openPty?(columns: number, rows: number): Pty;
  /**
   * Program put before argv of a tty exec as `[...ttyHelper, slavePath, program, ...args]`, with an
   * absolute path: makes a session with that terminal and becomes the program in it. Default `["/sbin/windlass-tty"]`.
   */
  readonly ttyHelper?: readonly string[];
}

export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary ones. */
  readonly groups?: readonly number[];
  /** Home folder, for HOME of an exec as this user. */
  readonly home?: string;
}

/** The master side of a pseudo terminal. */
export interface Pty {
  /** Non-inheritable (O_CLOEXEC). The agent reads, writes and closes it. */
  readonly masterFd: number;
  /** `/dev/pts/N` */
  readonly slavePath: string;
  resize(columns: number, rows: number): void;
}

/** The supervisor of the instance's program, as the agent sees it. */
export interface ProgramControl {
  status(): ProgramStatus;
  /** As in the status, which takes milliseconds to put together; null when it does not run. */
  pid(): number | null;
  /** Resolves when the new run has been started; the stop ladder is the supervisor's. */
  restart(options: { signal: AbortSignal }): Promise<void>;
  /**
   * Ends the program, which is not started again: its stop signal, SIGKILL after the time. Resolves when
   * it has ended; at once when it does not run.
   */
  stop(options: { timeoutMs: number }): Promise<void>;
  /** @returns false when the program is not running */
  signal(signal: string): boolean;
  /**
   * Resolves when the bytes are in the pipe. An empty chunk with `end` only closes it.
   * @throws when the program does not run or its stdin is closed
   */
  writeStdin(chunk: Buffer, options: { end: boolean; signal: AbortSignal }): Promise<void>;
}
