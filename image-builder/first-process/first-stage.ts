/**
 * The first stage: `/init` of the archive that the kernel unpacks before it has a disk. Loads the
 * kernel's modules, mounts the two read-only devices and a writable memory layer above them as one
 * overlay, makes that the root and starts its `/init`.
 *
 * Device order is fixed by the host: /dev/vda is the base, /dev/vdb the program.
 */
import { Assembler, type DataReference } from "./assembler.ts";
import { powerOff, timespec, writeLine } from "./init.ts";
import { MOUNT_FLAG, OPEN_FLAG, SYSTEM_CALL } from "./linux-call.ts";

export interface FirstStageOptions {
  /** Absolute paths of kernel modules inside the archive, in load order. */
  readonly modules: readonly string[];
}

/** Folders that the archive must hold for the first stage. */
export const FIRST_STAGE_DIRECTORIES = ["/dev", "/base", "/program", "/memory", "/root"] as const;

/** A device can appear a moment after its driver was loaded: 3000 tries of 2 ms, 6 s. */
const MOUNT_TRIES = 3000;
const MOUNT_RETRY_NANOSECONDS = 2_000_000;

/** Emits `/init` of the first-stage archive. */
export function firstStageExecutable(options: FirstStageOptions): Uint8Array {
  const program = new Assembler();
  const text = (value: string): DataReference => program.string(value);
  const pause = program.bytes(timespec(0, MOUNT_RETRY_NANOSECONDS));
  const mount = (type: string, source: string, target: string, flags: number, data = ""): void => {
    const operands = [text(source), text(target), text(type), flags, text(data)] as const;
    program.systemCall(SYSTEM_CALL.mount, ...operands);
  };

  mount("devtmpfs", "devtmpfs", "/dev", MOUNT_FLAG.noSuid);
  openConsole(program);
  for (const path of options.modules) {
    const flags = OPEN_FLAG.readOnly | OPEN_FLAG.closeOnExec;
    program.systemCall(SYSTEM_CALL.open, text(path), flags, 0);
    program.save("rbx");
    program.systemCall(SYSTEM_CALL.finitModule, { register: "rbx" }, text(""), 0);
    program.systemCall(SYSTEM_CALL.close, { register: "rbx" });
  }

  for (const [device, target] of [
    ["/dev/vda", "/base"],
    ["/dev/vdb", "/program"],
  ] as const) {
    program.set("r12", MOUNT_TRIES);
    program.label(`mount ${device}`);
    mount("erofs", device, target, MOUNT_FLAG.readOnly);
    program.jumpIf("zero", `mounted ${device}`);
    program.systemCall(SYSTEM_CALL.nanosleep, pause, 0);
    program.subtract("r12", 1);
    program.save("r12");
    program.jumpIf("not-zero", `mount ${device}`);
    writeLine(program, `windlass: cannot mount ${device}`);
    program.jump("failed");
    program.label(`mounted ${device}`);
  }

  mount("tmpfs", "tmpfs", "/memory", MOUNT_FLAG.noSuid | MOUNT_FLAG.noDevices, "mode=0755");
  program.systemCall(SYSTEM_CALL.mkdir, text("/memory/upper"), 0o755);
  program.systemCall(SYSTEM_CALL.mkdir, text("/memory/work"), 0o755);
  const layers = "lowerdir=/program:/base,upperdir=/memory/upper,workdir=/memory/work";
  mount("overlay", "overlay", "/root", MOUNT_FLAG.noAccessTimes, layers);
  program.jumpIf("zero", "overlaid");
  writeLine(program, "windlass: the kernel cannot mount an overlay");
  program.jump("failed");
  program.label("overlaid");

  mount("", "/dev", "/root/dev", MOUNT_FLAG.move);
  program.systemCall(SYSTEM_CALL.chdir, text("/root"));
  mount("", ".", "/", MOUNT_FLAG.move);
  program.systemCall(SYSTEM_CALL.chroot, text("."));
  writeLine(program, FIRST_STAGE_MARKER);
  // A container's root has the first (base/apart-tree.ts), and may have an /init that is its own.
  for (const path of ["/usr/lib/windlass/init", "/init"]) {
    const init = text(path);
    program.systemCall(SYSTEM_CALL.execve, init, program.pointers([init]), program.pointers([]));
  }
  writeLine(program, "windlass: cannot start /init");
  program.label("failed");
  powerOff(program);
  return program.assemble();
}

/** The line on the serial console that says that the kernel and its modules have done their part. */
export const FIRST_STAGE_MARKER = "windlass: root mounted";

/** Standard input, output and error are the console. */
function openConsole(program: Assembler): void {
  program.systemCall(SYSTEM_CALL.open, program.string("/dev/console"), OPEN_FLAG.readWrite, 0);
  program.save("rbx");
  for (const descriptor of [0, 1, 2]) {
    program.systemCall(SYSTEM_CALL.dup2, { register: "rbx" }, descriptor);
  }
}
