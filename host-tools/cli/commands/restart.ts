/** `windlass restart`. */
import { Instances } from "../../instance/instances.ts";
import type { StopStep } from "../../instance/stop.ts";
import { waitStarted } from "../background.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";
import { stepNote } from "../stop-note.ts";

export const execute: Execute<"restart"> = async (invocation) => {
  const { options, output, signal } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const onStep = (step: StopStep): void => {
      const note = stepNote(step);
      if (note !== undefined && !options.json) output.note(note);
    };
    const timeoutMs = options.time === undefined ? undefined : options.time * 1000;
    const started = await instances.restart(reference, { signal, onStep, timeoutMs });
    const view = await waitStarted(instances, started, { output, signal });
    if (!options.json) await output.print(`${reference}\n`);
    return view;
  });
  if (options.json) await output.json(results);
  return status;
};
