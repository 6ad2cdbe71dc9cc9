/**
 * Loaded into every Node program of a guest before its own code (`--require`), where an emulated CPU
 * pays for each millisecond: loads nothing, computes nothing, only listens for the signal.
 */
import { ARM_SIGNAL, KERNEL_RANDOM_ADDON, WINDLASS_RUN_FOLDER } from "../api/wake-channel.ts";
import { HookRun } from "./hook-run.ts";
import { watchSignal } from "./signal-watch.ts";

// Node sets `disabled` on what a worker thread cannot do; asking worker_threads would load it.
if (!(process.chdir as { disabled?: boolean }).disabled) {
  const run = new HookRun({ folder: WINDLASS_RUN_FOLDER, addon: KERNEL_RANDOM_ADDON });
  watchSignal(ARM_SIGNAL, () => void run.start());
}
