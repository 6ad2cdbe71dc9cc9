/** What may be asked for as a scratch disk: the one place a program's data outlive its machine. */
import { posix } from "node:path";
import { EXT4_MAX_MIB, EXT4_MIN_MIB } from "../filesystems/ext4-layout.ts";

export interface ScratchDisk {
  /** EXT4_MIN_MIB to EXT4_MAX_MIB; takes only as much of the host as was ever written. */
  readonly sizeMib: number;
  /** Where the guest mounts it: absolute, normalized. */
  readonly path: string;
}

export const SCRATCH_PATH = "/scratch";

/** A disk over one of these would hide what the guest itself needs, */
const NEEDED = ["/", "/app", "/bin", "/etc", "/lib", "/lib64", "/run", "/sbin", "/usr"];
/** and in one of these there is no place for folders. */
const KERNELS = ["/dev", "/proc", "/sys"];

/**
 * @param disk its path is SCRATCH_PATH when left out
 * @throws {RangeError} that says what is wrong with size or path
 */
export function scratchDisk(disk: {
  readonly sizeMib: number;
  readonly path?: string | undefined;
}): ScratchDisk {
  const { sizeMib, path = SCRATCH_PATH } = disk;
  if (!(sizeMib >= EXT4_MIN_MIB && sizeMib <= EXT4_MAX_MIB)) {
    const range = `${EXT4_MIN_MIB} MiB to ${EXT4_MAX_MIB / 1024 / 1024} TiB`;
    throw new RangeError(`a scratch disk cannot have ${sizeMib} MiB: ask for ${range}`);
  }
  const shown = JSON.stringify(path);
  if (!path.startsWith("/")) throw new RangeError(`the path ${shown} is not absolute`);
  if (/[\u0000-\u001f\u007f]/.test(path) || Buffer.byteLength(path) > 255) {
    throw new RangeError(`the path ${shown} holds a control character, or is too long`);
  }
  const normal = posix
    .normalize(path)
    .replace(/(?<=.)\/$/, "")
    .replace(/^\/\//, "/");
  const isKernels = KERNELS.some((folder) => `${normal}/`.startsWith(`${folder}/`));
  if (isKernels || NEEDED.includes(normal)) {
    throw new RangeError(`a scratch disk at ${shown} would hide what the guest needs`);
  }
  return { sizeMib, path: normal };
}
