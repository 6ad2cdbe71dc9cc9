/** `windlass stop`. */
import { isUp } from "../../instance/instance-state.ts";
import { Instances } from "../../instance/instances.ts";
import type { StopStep } from "../../instance/stop.ts";
import { forEachName } from "../each-name.ts";
import { type InstanceView, instanceView } from "../instance-view.ts";
import type { Execute, Invocation } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";
import { stepNote } from "../stop-note.ts";

interface StoppedView extends InstanceView {
  readonly steps: readonly StopStep[];
}

export const execute: Execute<"stop"> = async (invocation) => {
  const { options, output } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const stopped = await stop(invocation, instances, reference);
    if (!options.json) await output.print(`${reference}\n`);
    return stopped;
  });
  if (options.json) await output.json(results);
  return status;
};

/** Nothing happens to an instance that has ended already, as with Docker. */
async function stop(
  { options, output, signal }: Invocation<"stop">,
  instances: Instances,
  reference: string,
): Promise<StoppedView> {
  const found = await instances.get(reference);
  if (!isUp(found.state)) return { ...instanceView(found), steps: [] };
  const note = (line: string | undefined): void => {
    if (line !== undefined && !options.json) output.note(line);
  };
  const { instance, steps } = await instances.stop(reference, {
    signal,
    onStep: (step) => note(stepNote(step)),
    ...(options.time !== undefined && { timeoutMs: options.time * 1000 }),
  });
  const { end, name } = instance.record;
  if (end?.signal === "SIGKILL") {
    note(`stop: the program of "${printableLine(name)}" did not end by itself and was killed`);
  }
  return { ...instanceView(instance), steps };
}
