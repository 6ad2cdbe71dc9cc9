/**
 * Mounts the suite's erofs image. A file system wants a block device: a loop device where the kernel has them,
 * else the machine's scratch disk, whose content is lost. The runner gives the suite a machine of its own for that.
 */
import * as fs from "node:fs";
import { calls } from "./calls.ts";
import { MS_RDONLY } from "./flags.ts";
import { check, libc } from "./libc.ts";
import type { Place } from "./place.ts";

/** include/uapi/linux/loop.h */
const LOOP_SET_FD = 0x4c00;
const LOOP_CLR_FD = 0x4c01;
const LOOP_CTL_GET_FREE = 0x4c82;
const SCRATCH = "/scratch";

interface Device {
  readonly path: string;
  close(): void;
}

/** @throws {Error} when there is no device, or no erofs */
export function mountImage(folder: string, imagePath: string): Place {
  const device = loopDevice(imagePath) ?? scratchDevice(imagePath);
  try {
    calls.mount(device.path, folder, "erofs", MS_RDONLY);
  } catch (error) {
    device.close();
    throw error;
  }
  return {
    ...{ folder, isReadOnly: true },
    [Symbol.dispose]() {
      calls.unmount(folder);
      device.close();
    },
  };
}

function loopDevice(imagePath: string): Device | undefined {
  if (!fs.existsSync("/dev/loop-control")) return undefined;
  const control = fs.openSync("/dev/loop-control", "r+");
  try {
    const number = check("LOOP_CTL_GET_FREE", libc().ioctlNumber(control, LOOP_CTL_GET_FREE, 0));
    const path = `/dev/loop${number}`;
    const device = fs.openSync(path, "r+");
    const image = fs.openSync(imagePath, "r");
    try {
      check("LOOP_SET_FD", libc().ioctlNumber(device, LOOP_SET_FD, image));
    } catch (error) {
      fs.closeSync(device);
      throw error;
    } finally {
      fs.closeSync(image);
    }
    return {
      path,
      close() {
        libc().ioctlNumber(device, LOOP_CLR_FD, 0);
        fs.closeSync(device);
      },
    };
  } finally {
    fs.closeSync(control);
  }
}

function scratchDevice(imagePath: string): Device {
  const mounts = fs.readFileSync("/proc/mounts", "utf8").split("\n");
  const line = mounts.find((mount) => mount.split(" ")[1] === SCRATCH);
  const path = line?.split(" ")[0];
  if (path === undefined) throw new Error(`no block device here: neither loop nor ${SCRATCH}`);
  calls.unmount(SCRATCH);
  const device = fs.openSync(path, "r+");
  try {
    fs.writeSync(device, fs.readFileSync(imagePath));
    fs.fsyncSync(device);
  } finally {
    fs.closeSync(device);
  }
  return { path, close: () => {} };
}
