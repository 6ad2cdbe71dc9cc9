/**
 * The QMP commands and events that Windlass uses, with their types. A new command is one entry.
 *
 * The tables hold the member names at run time too: replies are checked against them, and
 * test/conformance/qemu-qmp.test.ts holds them against `query-qmp-schema` of the real QEMU. The
 * compiler keeps names and types together: a member that is missing here, or optional in one place
 * only, does not compile. Meanings: qapi/*.json of QEMU, published as the "QEMU QMP Reference Manual".
 */

type Presence<Object, Key extends keyof Object> =
  object extends Pick<Object, Key> ? "optional" : "required";

/** Every member of an object type, told apart by whether it may be absent. */
type Members<Object> = { readonly [Key in keyof Object]-?: Presence<Object, Key> };

/** A reply that is a list is described by its elements. */
type Element<Value> = Value extends readonly (infer Item)[] ? Item : Value;

// biome-ignore lint/complexity/noBannedTypes: QMP's empty object, which has no member at all
type Nothing = {};

export interface QmpCommand<Arguments, Return> {
  readonly arguments: Members<Arguments>;
  /** The members we rely on; QEMU may send more. */
  readonly returns: Members<Element<Return>>;
  /** Carries the types; never set. */
  readonly types?: { readonly arguments: Arguments; readonly return: Return };
}

function command<Arguments, Return>(
  names: Members<Arguments>,
  returns: Members<Element<Return>>,
): QmpCommand<Arguments, Return> {
  return { arguments: names, returns };
}

export interface QmpRunState {
  /** Whether the vCPUs run. */
  readonly running: boolean;
  /** QAPI RunState, for example "running", "paused", "prelaunch", "shutdown", "internal-error". */
  readonly status: string;
}

export interface QmpVersion {
  readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
  readonly package: string;
}

export interface QmpKvm {
  readonly enabled: boolean;
  readonly present: boolean;
}

export interface QmpCharacterDevice {
  readonly label: string;
  readonly filename: string;
  readonly "frontend-open": boolean;
}

export interface QmpBlockDevice {
  /** Empty when the disk came from -blockdev; `qdev` then names it. */
  readonly device: string;
  readonly qdev?: string;
  readonly inserted?: {
    readonly file: string;
    readonly ro: boolean;
    readonly "node-name"?: string;
  };
}

export interface QmpVcpu {
  readonly "cpu-index": number;
  /** Host thread that runs the vCPU. */
  readonly "thread-id": number;
}

export interface QmpSchemaItem {
  readonly name: string;
  readonly "meta-type": string;
}

/** QAPI BlockdevOptions, of the drivers that we use. */
export interface QmpBlockNode {
  readonly driver: "file" | "qcow2";
  readonly "node-name"?: string;
  readonly "read-only"?: boolean;
  readonly "auto-read-only"?: boolean;
  readonly discard?: "unmap";
  readonly filename?: string;
  /** Name of a node. */
  readonly file?: string;
  /** null: none, whatever the file itself says. */
  readonly backing?: null;
}

/** QAPI ChardevBackend, of the kind that we use: a Unix socket that QEMU listens on. */
export interface QmpChardevBackend {
  readonly type: "socket";
  readonly data: {
    readonly addr: { readonly type: "unix"; readonly data: { readonly path: string } };
    readonly server: true;
    readonly wait: false;
  };
}

/** QAPI MigrationCapability, those we use. */
export interface QmpMigrationCapability {
  readonly capability: "events" | "x-ignore-shared";
  readonly state: boolean;
}

export interface QmpMigration {
  /** QAPI MigrationStatus; absent before the first migration. */
  readonly status?: string;
  readonly "error-desc"?: string;
}

export const qmpCommands = {
  qmp_capabilities: command<{ enable?: readonly string[] }, Nothing>({ enable: "optional" }, {}),
  "query-version": command<Nothing, QmpVersion>({}, { qemu: "required", package: "required" }),
  "query-qmp-schema": command<Nothing, readonly QmpSchemaItem[]>(
    {},
    { name: "required", "meta-type": "required" },
  ),
  "query-status": command<Nothing, QmpRunState>({}, { running: "required", status: "required" }),
  "query-kvm": command<Nothing, QmpKvm>({}, { enabled: "required", present: "required" }),
  "query-block": command<Nothing, readonly QmpBlockDevice[]>(
    {},
    { device: "required", qdev: "optional", inserted: "optional" },
  ),
  "blockdev-add": command<QmpBlockNode, Nothing>(
    {
      driver: "required",
      "node-name": "optional",
      "read-only": "optional",
      "auto-read-only": "optional",
      discard: "optional",
      filename: "optional",
      file: "optional",
      backing: "optional",
    },
    {},
  ),
  "blockdev-del": command<{ "node-name": string }, Nothing>({ "node-name": "required" }, {}),
  /** Puts one node on top of another; whoever used that one uses both from then on. */
  "blockdev-snapshot": command<{ node: string; overlay: string }, Nothing>(
    { node: "required", overlay: "required" },
    {},
  ),
  "query-chardev": command<Nothing, readonly QmpCharacterDevice[]>(
    {},
    { label: "required", filename: "required", "frontend-open": "required" },
  ),
  /** Gives a device another backend; refused while the machine stands still. */
  "chardev-change": command<{ id: string; backend: QmpChardevBackend }, Nothing>(
    { id: "required", backend: "required" },
    {},
  ),
  "query-cpus-fast": command<Nothing, readonly QmpVcpu[]>(
    {},
    { "cpu-index": "required", "thread-id": "required" },
  ),
  "qom-list": command<
    { path: string },
    readonly { readonly name: string; readonly type: string }[]
  >({ path: "required" }, { name: "required", type: "required" }),
  "qom-get": command<{ path: string; property: string }, unknown>(
    { path: "required", property: "required" },
    {},
  ),
  "migrate-set-capabilities": command<{ capabilities: readonly QmpMigrationCapability[] }, Nothing>(
    { capabilities: "required" },
    {},
  ),
  /** Bytes per second. */
  "migrate-set-parameters": command<{ "max-bandwidth"?: number }, Nothing>(
    { "max-bandwidth": "optional" },
    {},
  ),
  migrate: command<{ uri: string }, Nothing>({ uri: "required" }, {}),
  "migrate-incoming": command<{ uri: string }, Nothing>({ uri: "required" }, {}),
  migrate_cancel: command<Nothing, Nothing>({}, {}),
  "query-migrate": command<Nothing, QmpMigration>(
    {},
    { status: "optional", "error-desc": "optional" },
  ),
  cont: command<Nothing, Nothing>({}, {}),
  stop: command<Nothing, Nothing>({}, {}),
  system_powerdown: command<Nothing, Nothing>({}, {}),
  system_reset: command<Nothing, Nothing>({}, {}),
  quit: command<Nothing, Nothing>({}, {}),
} as const;

export type QmpCommandName = keyof typeof qmpCommands;

type TypesOf<Name extends QmpCommandName> = NonNullable<(typeof qmpCommands)[Name]["types"]>;
export type QmpArguments<Name extends QmpCommandName> = TypesOf<Name>["arguments"];
export type QmpReturn<Name extends QmpCommandName> = TypesOf<Name>["return"];

function event<Data>(data: Members<Data>): { readonly data: Members<Data>; readonly type?: Data } {
  return { data };
}

export const qmpEvents = {
  /** The guest asked to stop, or QEMU is about to end. Reasons: QAPI ShutdownCause. */
  SHUTDOWN: event<{ readonly guest: boolean; readonly reason: string }>({
    guest: "required",
    reason: "required",
  }),
  RESET: event<{ readonly guest: boolean; readonly reason: string }>({
    guest: "required",
    reason: "required",
  }),
  POWERDOWN: event<Nothing>({}),
  /** Only with the capability "events". QAPI MigrationStatus. */
  MIGRATION: event<{ readonly status: string }>({ status: "required" }),
  STOP: event<Nothing>({}),
  RESUME: event<Nothing>({}),
  /** A program in the guest opened or closed a virtio-serial port. */
  VSERPORT_CHANGE: event<{ readonly id: string; readonly open: boolean }>({
    id: "required",
    open: "required",
  }),
} as const;

export type QmpEventName = keyof typeof qmpEvents;
export type QmpEventData<Name extends QmpEventName> = NonNullable<(typeof qmpEvents)[Name]["type"]>;

/**
 * The first member that a reply or an event should have and has not, for example "running";
 * undefined when all are there.
 */
export function missingMember(
  members: Readonly<Record<string, "required" | "optional">>,
  value: unknown,
): string | undefined {
  const required = Object.keys(members).filter((name) => members[name] === "required");
  if (required.length === 0) return undefined;
  for (const item of Array.isArray(value) ? value : [value]) {
    const lacking = required.find(
      (name) => typeof item !== "object" || item === null || !(name in item),
    );
    if (lacking !== undefined) return lacking;
  }
  return undefined;
}
