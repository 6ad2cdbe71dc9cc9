/** A template: a started machine, saved so that clones go on from there. */
import type { ProgramSpec } from "../../guest/api/program.ts";
import type { AddressMode } from "./instance-record.ts";
import type { MachineTraits } from "./machine-traits.ts";

export interface Template {
  readonly schemaVersion: 1;
  /** Twelve hex digits. */
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly imageName: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** The instance it was taken from, or the one that was made for it. */
  readonly instance: { readonly id: string; readonly name: string };
  readonly memoryMib: number;
  readonly vcpuCount: number;
  readonly traits: MachineTraits;
  readonly address: AddressMode;
  /** What runs in it. */
  readonly program: ProgramSpec;
  /** Host's clock when the machine stopped, Unix time in milliseconds. */
  readonly stoppedAtMs: number;
  /** CPU and devices. */
  readonly state: { readonly sizeBytes: number; readonly sha256: string };
  readonly memory: {
    readonly sizeBytes: number;
    /** Blocks in use: the file is sparse. */
    readonly diskBytes: number;
    /** Of its last change: nobody writes to it once the template is there. */
    readonly changedAtMs: number;
  };
  /** Processes that take part with hooks. */
  readonly hookedProcesses: number;
  /** How the time went, in milliseconds. */
  readonly timing: {
    /** From the start to readiness; 0 when it was running. */
    readonly readyMs: number;
    readonly warmUpMs: number;
    /** From then to the template being there. */
    readonly saveMs: number;
  };
}

/** What Windlass wrote for that id; undefined for anything else, such as half of it. */
export function parseTemplate(text: string, id: string): Template | undefined {
  try {
    const template: Partial<Template> | null = JSON.parse(text);
    const isWhole = template?.schemaVersion === 1 && template.id === id && template.memory;
    return isWhole ? (template as Template) : undefined;
  } catch {
    return undefined;
  }
}
