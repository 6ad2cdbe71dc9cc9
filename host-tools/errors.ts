/** Errors an operator can act on while machines are run. The table in ARCHITECTURE.md lists them. */

export type HostErrorCode =
  /** The words on the command line are off. Exit code 2. */
  | "WL_USAGE"
  /** QEMU is missing, too old, or lacks something. */
  | "WL_QEMU_UNAVAILABLE"
  /** QEMU ended before the machine ran, or refuses the machine. */
  | "WL_QEMU_FAILED"
  /** The QMP connection ended, a command failed, or no reply came in time. */
  | "WL_QMP_DISCONNECTED"
  | "WL_QMP_COMMAND_FAILED"
  | "WL_QMP_TIMEOUT"
  | "WL_QMP_PROTOCOL"
  /** The asked accelerator cannot be used. */
  | "WL_ACCELERATOR_UNAVAILABLE"
  /** A host port is taken or may not be bound. */
  | "WL_PORT_UNAVAILABLE"
  /** No such instance, or the name is taken. */
  | "WL_INSTANCE_UNKNOWN"
  | "WL_INSTANCE_EXISTS"
  /** No such template, the name is taken, or it cannot be made. */
  | "WL_TEMPLATE_UNKNOWN"
  | "WL_TEMPLATE_EXISTS"
  | "WL_TEMPLATE_FAILED"
  /** No such checkpoint, the name is taken, or it cannot be restored. */
  | "WL_CHECKPOINT_UNKNOWN"
  | "WL_CHECKPOINT_EXISTS"
  | "WL_CHECKPOINT_INVALID"
  /** The action is not legal in the instance's state. */
  | "WL_INSTANCE_STATE"
  /** The guest did not come up. */
  | "WL_BOOT_FAILED"
  | "WL_BOOT_TIMEOUT"
  /** The agent cannot be reached, refuses, or answers nonsense. */
  | "WL_GUEST_UNREACHABLE"
  | "WL_GUEST_REFUSED"
  | "WL_GUEST_PROTOCOL"
  /** There is no C compiler, or it refuses a program of ours. */
  | "WL_COMPILER_UNAVAILABLE"
  /** A trace could not be replayed with an allocator of this host. */
  | "WL_REPLAY_FAILED"
  /** A program's requests for memory cannot be recorded. */
  | "WL_RECORD_FAILED"
  /** A conformance suite cannot be run: a program does not build or start, the target is lost. */
  | "WL_CONFORMANCE_FAILED"
  /** The host refused a file operation: disk full, read-only, no permission. */
  | "WL_HOST_IO";

export interface HostErrorFacts {
  /** What the operator can do next, as one sentence without a full stop. */
  readonly next?: string;
  /** The peer's own words: QMP class and desc, HTTP status, QEMU's last output. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

export class HostError extends Error {
  override readonly name = "HostError";
  readonly code: HostErrorCode;
  readonly facts: HostErrorFacts;

  /** @param message what failed and why: capital letter, active voice, quoted values, no full stop */
  constructor(code: HostErrorCode, message: string, facts: HostErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }
}
