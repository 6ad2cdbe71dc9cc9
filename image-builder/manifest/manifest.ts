/**
 * The validated description of one image: what every other part of the builder reads. Whatever the
 * project offered (windlass.*, Capstanfile, package.json), this one shape comes out.
 */
import type { Health, ProgramPort, RestartPolicy } from "../../guest/api/program.ts";
import type { ProgramHooks } from "../../guest/api/program-hooks.ts";
import type { ScratchDisk } from "../disks/scratch-disk.ts";
import type { RuntimeName } from "../runtimes/runtime.ts";

/** What the machine runs. */
export type ManifestProgram =
  | {
      readonly kind: "script";
      /** Path relative to the project folder, "/"-separated, without "." and ".." parts. */
      readonly entry: string;
      /** Flags for node itself, before the script. */
      readonly nodeFlags: readonly string[];
    }
  | {
      readonly kind: "command";
      /** argv[0] as the author wrote it: "node", a path in the guest, or a path relative to /app. */
      readonly argv: readonly string[];
    }
  /** Left to the runtime: not for Node, whose entry is found when the manifest is read. */
  | { readonly kind: "default" };

/** A host file or folder with a place of its own (Capstanfile `files` and `rootfs`, which are below /app; `include`). */
export interface PlacedFile {
  /** Absolute path on the host. */
  readonly hostPath: string;
  /** Absolute path in the guest. */
  readonly guestPath: string;
}

/** How machines of an image are cloned. */
export interface TemplateSettings {
  /** The first start makes a template. */
  readonly auto: boolean;
  /** Names of variables that a clone may have otherwise. */
  readonly env: readonly string[];
  /** Whether it may have more arguments. */
  readonly args: boolean;
  /** What the program is asked for before it is saved; false: nothing. */
  readonly warmUp?: string | false;
}

export interface Manifest {
  /** Default name of the image. */
  readonly name: string;
  /** The file this came from, absolute; package.json counts. */
  readonly source: string;
  readonly program: ManifestProgram;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path in the guest. */
  readonly workdir: string;
  /** name, uid, name:group or uid:gid. */
  readonly user: string;
  /** What runs the program. */
  readonly runtime: RuntimeName;
  /** Range of the runtime's versions that the project accepts, as written. */
  readonly runtimeRange?: string;
  /** Where a Node program runs: in a process of its own, or as a worker in the agent's, in one address space. */
  readonly isolation: "process" | "thread";
  /** Files and folders of the host that the image has too, whatever else it has. */
  readonly include: readonly PlacedFile[];
  /** gitignore patterns: `exclude` leaves out, `include` brings back what would be left out. */
  readonly files: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  /** When present, these make up /app in place of the project folder; later ones win. */
  readonly placed?: readonly PlacedFile[];
  readonly memoryMib?: number;
  readonly cpus?: number;
  readonly scratch?: ScratchDisk;
  readonly ports: readonly ProgramPort[];
  readonly health?: Health;
  readonly hooks?: ProgramHooks;
  readonly template?: TemplateSettings;
  readonly restart: RestartPolicy;
  readonly onExit: "poweroff" | "keep";
  readonly platform: "linux";
  /** A kernel's name, or the absolute path of a kernel file. */
  readonly kernel?: string;
  /** Things the author should know that are no errors; each one sentence without a full stop. */
  readonly warnings: readonly string[];
}
