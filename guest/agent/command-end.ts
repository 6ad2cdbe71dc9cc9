/** When a command is over: it has exited and its output has been read. */
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import type { ExecExit } from "../api/exec.ts";
import { hasEnded } from "./command.ts";

/**
 * After the exit, open output that stays silent is waited for this long. Something the command left
 * running may hold it open for ever. Output that nobody takes just now is not silent.
 */
const DRAIN_MS = 1000;

/**
 * Resolves with how the command ended, once its outputs have ended too. Has to be called before the
 * command can have ended, that is before anything is awaited after its start.
 */
export function whenEnded(child: ChildProcess, outputs: readonly Readable[]): Promise<ExecExit> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    let open = outputs.filter((stream) => !stream.destroyed).length;
    const finish = (): void => {
      clearTimeout(timer);
      for (const stream of outputs) stream.destroy();
      resolve({ exitCode: child.exitCode, signal: child.signalCode });
    };
    const finishIfSilent = (): void => {
      if (outputs.some((stream) => stream.isPaused())) timer?.refresh();
      else finish();
    };
    for (const stream of outputs) {
      stream.on("data", () => timer?.refresh());
      stream.once("close", () => {
        open -= 1;
        if (open === 0 && hasEnded(child)) finish();
      });
    }
    const onExit = (): void => {
      if (open === 0) finish();
      else timer = setTimeout(finishIfSilent, DRAIN_MS);
    };
    if (hasEnded(child)) onExit();
    else child.once("exit", onExit);
  });
}
