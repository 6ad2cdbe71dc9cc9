/** `windlass fork`. */
import { HostError } from "../../errors.ts";
import { Instances } from "../../instance/instances.ts";
import { Templates } from "../../instance/templates.ts";
import { parsePublish } from "../../network/publish.ts";
import { type StartedView, waitStarted } from "../background.ts";
import type { Execute } from "../invocation.ts";

/** More machines than that are no typing error on any host we know. */
const FORKS_MAX = 1000;

export const execute: Execute<"fork"> = async ({ options, operands, output, signal }) => {
  const [reference = ""] = operands;
  const { number: count = 1, name } = options;
  if (count < 1 || count > FORKS_MAX) {
    throw new HostError("WL_USAGE", `Cannot make ${count} copies`, {
      next: `Write -n 1 to -n ${FORKS_MAX}`,
    });
  }
  const instances = new Instances();
  const publish = options.publish.length > 0 ? options.publish.map(parsePublish) : undefined;
  const names = namesOf(name, count);
  const clones = await new Templates(instances).fork(reference, { count, names, publish, signal });
  const views: StartedView[] = [];
  for (const clone of clones) {
    const view = await waitStarted(instances, clone, { output, signal });
    views.push(view);
    if (!options.json) await output.print(`${options.quiet ? view.id : view.name}\n`);
  }
  if (options.json) await output.json(views);
  return 0;
};

function namesOf(name: string | undefined, count: number): string[] {
  if (name === undefined) return [];
  if (count === 1) return [name];
  return Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
}
