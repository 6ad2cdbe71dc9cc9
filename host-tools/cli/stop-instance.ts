/** Stops an instance and says what it took; shared by `stop` and `restart`. */
import type { Instances } from "../instance/instances.ts";
import type { StopStep } from "../instance/stop.ts";
import { type InstanceView, instanceView } from "./instance-view.ts";
import type { Output } from "./output.ts";
import { stepNote } from "./stop-note.ts";

export interface StopRequest {
  readonly output: Output;
  readonly signal: AbortSignal;
  /** For the program to end by itself; default 10. */
  readonly seconds: number | undefined;
  /** Do not say what it took. */
  readonly quiet: boolean;
}

export interface StoppedView extends InstanceView {
  readonly steps: readonly StopStep[];
}

/** Nothing happens to an instance that has ended already, as with Docker. */
export async function stopInstance(
  instances: Instances,
  reference: string,
  { output, signal, seconds, quiet }: StopRequest,
): Promise<StoppedView> {
  const found = await instances.get(reference);
  if (found.state !== "running") return { ...instanceView(found), steps: [] };
  const onStep = (step: StopStep): void => {
    const note = stepNote(step);
    if (note !== undefined && !quiet) output.note(note);
  };
  const { instance, steps } = await instances.stop(reference, {
    signal,
    onStep,
    ...(seconds !== undefined && { timeoutMs: seconds * 1000 }),
  });
  return { ...instanceView(instance), steps };
}
