/** Waits for time stamps: those of a file system are as coarse as the kernel's timer, or as a second. */
import * as fs from "node:fs";

const WAIT_MS = 1;
const WAITS_MAX = 5000;

/**
 * @param path of a file to be made on the file system
 * @returns a function that comes back when a change has a later time than all changes before
 */
export function ticker(path: string): () => void {
  fs.writeFileSync(path, "");
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const stamp = (): bigint => {
    fs.chmodSync(path, 0o600);
    return fs.statSync(path, { bigint: true }).ctimeNs;
  };
  return () => {
    const before = stamp();
    for (let wait = 0; wait < WAITS_MAX; wait += 1) {
      if (stamp() > before) return;
      Atomics.wait(pause, 0, 0, WAIT_MS);
    }
    throw new Error("the time of the file system stands still");
  };
}
