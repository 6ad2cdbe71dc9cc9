/** `windlass template create`. */
import { HostError } from "../../errors.ts";
import { isUp } from "../../instance/instance-state.ts";
import { Instances } from "../../instance/instances.ts";
import type { Template } from "../../instance/template.ts";
import type { WarmUpRequest } from "../../instance/template-creation.ts";
import { Templates } from "../../instance/templates.ts";
import type { Execute, Invocation } from "../invocation.ts";
import { environment, memoryMib } from "../option-values.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"template create"> = async (invocation) => {
  const { options, operands, output } = invocation;
  const [reference = ""] = operands;
  const template = await make(invocation, reference);
  if (options.json) await output.json(template);
  else if (options.quiet) await output.print(`${template.id}\n`);
  else await output.print(reportOf(template));
  return 0;
};

/** An instance that runs under that name comes before an image of the name. */
async function make(
  { options, signal }: Invocation<"template create">,
  reference: string,
): Promise<Template> {
  const warmUp = warmUpOf(options["warm-up"]);
  const instances = new Instances();
  const templates = new Templates(instances);
  const instance = (await instances.list()).find(
    ({ record, state }) => isUp(state) && (record.name === reference || record.id === reference),
  );
  const { tag: name, memory, cpus, env, accelerator } = options;
  if (!instance) {
    return await templates.create(
      {
        image: reference,
        name,
        warmUp,
        memoryMib: memory === undefined ? undefined : memoryMib(memory),
        vcpuCount: cpus,
        environment: environment(env),
        accelerator,
      },
      { signal },
    );
  }
  if (memory !== undefined || cpus !== undefined || env.length > 0 || accelerator !== undefined) {
    throw new HostError("WL_USAGE", `"${reference}" runs: its machine is what it is`, {
      next: "Leave -m, --cpus, -e and --accelerator out, or name its image",
    });
  }
  return await templates.save(instance.record.id, { name, signal });
}

function warmUpOf(word: string | undefined): WarmUpRequest {
  if (word === undefined) return {};
  if (word === "no") return { requests: 0 };
  if (word.startsWith("/")) return { path: word };
  throw new HostError("WL_USAGE", `"${word}" is no path`, { next: "Write --warm-up /path, or no" });
}

function reportOf({ name, id, memory, state, timing }: Template): string {
  const size = bytesText(memory.diskBytes + state.sizeBytes);
  const ready = timing.readyMs > 0 ? `ready after ${(timing.readyMs / 1000).toFixed(1)} s, ` : "";
  return `${name} ${id} (${ready}saved in ${timing.saveMs.toFixed(0)} ms, ${size})\n`;
}
