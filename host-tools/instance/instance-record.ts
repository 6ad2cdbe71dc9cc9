/** What the host remembers of an instance. Whether it runs is never read from here alone. */
import type { Parent } from "../../guest/api/parent.ts";
import type { ProgramSpec } from "../../guest/api/program.ts";
import type { ScratchDisk } from "../../image-builder/disks/scratch-disk.ts";
import type { PublishRequest } from "../network/publish.ts";
import type { AcceleratorRequest } from "../qemu/accelerator.ts";
import type { Accelerator, PortForward } from "../qemu/machine.ts";
import type { ProcessIdentity } from "../qemu/process-identity.ts";

/** How the guest gets its address in QEMU's user network. */
export type AddressMode = "static" | "dhcp";

/** What was asked for when the instance was made; the same at every start. */
export interface InstanceOptions {
  readonly memoryMib: number;
  readonly vcpuCount: number;
  readonly accelerator: AcceleratorRequest;
  /** A kernel file in place of the image's. */
  readonly kernelPath?: string | undefined;
  readonly publish: readonly PublishRequest[];
  readonly address: AddressMode;
  readonly scratch?: ScratchDisk | undefined;
  /** Absent: "auto". */
  readonly boot?: BootRequest | undefined;
  /** Removed when it has ended. */
  readonly autoRemove: boolean;
  /** With the image's environment, arguments and policies already replaced as asked. */
  readonly program: ProgramSpec;
}

/**
 * How an instance is to start: from a template of its image if one fits, never from one, or from this one
 * (its id).
 */
export type BootRequest = "auto" | "cold" | { readonly template: string };

/**
 * How a start went: the kernel booted, perhaps in place of a template that did not fit; a clone; or a
 * checkpoint went on, as a clone if it was one.
 */
export type Boot =
  | { readonly kind: "restored"; readonly checkpoint: string; readonly parent: Parent | null }
  | { readonly kind: "cold"; readonly why?: string | undefined }
  | { readonly kind: "clone"; readonly template: string; readonly parent: Parent };

/** What the machine of the last start is a clone of. */
export function parentOf({ launch }: InstanceRecord): Parent | null {
  const boot = launch?.boot;
  return boot === undefined || boot.kind === "cold" ? null : boot.parent;
}

/** How a start went on this host, by its clock. */
export interface LaunchTiming {
  /** Unix time in milliseconds. */
  readonly beganAtMs: number;
  /** From then until QEMU was executed: files, ports, a look for a template. */
  readonly executedMs: number;
  /** From the begin until QEMU's monitor answered. */
  readonly monitorMs: number;
  /** From the begin until a clone was loaded and went on. */
  readonly loadedMs?: number | undefined;
}

/** One start of an instance. */
export interface Launch {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly accelerator: Accelerator;
  readonly acceleratorReason: string;
  readonly process: ProcessIdentity;
  /** Port of 127.0.0.1 that leads to the agent. */
  readonly agentPort: number;
  readonly forwards: readonly PortForward[];
  /** Absent in records of older versions: cold. */
  readonly boot?: Boot | undefined;
  /** Absent in records of older versions, and of restored machines. */
  readonly timing?: LaunchTiming | undefined;
  /** Where this start's part of the journal begins. */
  readonly journalOffset: number;
}

/** How the last start ended. */
export interface End {
  /** ISO 8601. */
  readonly finishedAt: string;
  /** The program's, as a shell has it: 128 + n for a signal. 137 when the machine was killed. */
  readonly exitCode: number;
  readonly signal: string | null;
  readonly reason: string | null;
}

export interface InstanceRecord {
  readonly schemaVersion: 1;
  /** Twelve hex digits. */
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  /** As it was asked for: "hello:latest". */
  readonly imageName: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly macAddress: string;
  /** Bearer tokens of the agent. The record's file is readable by its owner only. */
  readonly tokens: { readonly admin: string; readonly monitor: string };
  readonly options: InstanceOptions;
  readonly launch?: Launch | undefined;
  readonly end?: End | undefined;
}

/** What Windlass wrote for that id; undefined for anything else, such as half of it. */
export function parseRecord(text: string, id: string): InstanceRecord | undefined {
  try {
    const record: Partial<InstanceRecord> | null = JSON.parse(text);
    const isWhole = record?.schemaVersion === 1 && record.id === id && record.options?.program;
    return isWhole ? (record as InstanceRecord) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Stands for a record that cannot be read. It is named by its id; its machine, if it runs, is found by
 * its process id file and can be ended.
 */
export function damagedRecord(id: string): InstanceRecord {
  return {
    schemaVersion: 1,
    id,
    name: id,
    imageId: "",
    imageName: "(damaged record)",
    createdAt: new Date(0).toISOString(),
    macAddress: macAddressOf(id),
    tokens: { admin: "", monitor: "" },
    options: {
      memoryMib: 0,
      vcpuCount: 0,
      accelerator: "auto",
      publish: [],
      address: "static",
      autoRemove: false,
      program: {
        argv: [],
        env: {},
        workdir: "/",
        user: "0",
        ports: [],
        restart: { policy: "no", maxRetries: 0 },
        onExit: "poweroff",
        stopSignal: "SIGTERM",
        isNode: false,
      },
    },
  };
}

const NAME_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

/** Docker's rule for container names, with the length of a host name. */
export function isInstanceName(text: string): boolean {
  return NAME_PATTERN.test(text);
}

/** The guest's host name: what of the name RFC 1123 allows. */
export function hostnameOf(name: string): string {
  return name.replace(/[^A-Za-z0-9-]/g, "-").replace(/^-+|-+$/g, "") || "windlass";
}

/** A locally administered unicast address (IEEE 802, bit 1 of the first byte) from the id. */
export function macAddressOf(id: string): string {
  const bytes = [0x52, 0x57, ...Buffer.from(id.slice(0, 8), "hex")];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
