/**
 * What must be the same for a machine to load another's saved state: pure. QEMU checks little of it; a
 * state loaded into a machine with other devices or another CPU crashes late, or never quite works.
 */
import type { ScratchDisk } from "../../image-builder/disks/scratch-disk.ts";
import { qemuArguments } from "../qemu/command-line.ts";
import type { Machine } from "../qemu/machine.ts";

/** What people read, and what is compared. */
export interface MachineTraits {
  readonly QEMU: string;
  readonly accelerator: string;
  readonly kernel: string;
  readonly "CPU model": string;
  readonly vCPUs: string;
  readonly memory: string;
  /** The guest has it mounted: another size or place would not do. */
  readonly "scratch disk": string;
  readonly "machine type": string;
  readonly devices: readonly string[];
}

/**
 * @param machine any description of it: paths, ports, names and addresses do not count
 * @param kernel what identifies the kernel: its release, or a file's path
 */
export function machineTraits(
  machine: Machine,
  {
    qemuVersion,
    kernel,
    scratch,
  }: { qemuVersion: string; kernel: string; scratch: ScratchDisk | undefined },
): MachineTraits {
  const argv = qemuArguments({ ...machine, memoryFile: undefined, incoming: false });
  const values = (option: string): string[] =>
    argv.flatMap((word, index) => (argv[index - 1] === option ? [word] : []));
  return {
    QEMU: qemuVersion,
    accelerator: machine.accelerator,
    kernel,
    "CPU model": values("-cpu").join(" "),
    vCPUs: values("-smp").join(" "),
    memory: `${machine.memoryMib} MiB`,
    "scratch disk": scratch ? `${scratch.sizeMib} MiB at ${scratch.path}` : "none",
    "machine type": values("-machine").join(" "),
    devices: values("-device").map((device) => device.replace(/,mac=[^,]*/, "")),
  };
}

/** The first difference in words, as of `mine` seen from the template; undefined when there is none. */
export function traitDifference(template: MachineTraits, mine: MachineTraits): string | undefined {
  for (const name of Object.keys(mine) as (keyof MachineTraits)[]) {
    const [theirs, ours] = [JSON.stringify(template[name]), JSON.stringify(mine[name])];
    if (theirs === ours) continue;
    if (name === "devices") return "it has other devices";
    return `its ${name} is ${theirs}, not ${ours}`;
  }
  return undefined;
}
