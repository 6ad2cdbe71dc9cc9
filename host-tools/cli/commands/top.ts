/** `windlass top`. */
import { Instances } from "../../instance/instances.ts";
import type { Execute } from "../invocation.ts";
import { elapsedText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";

export const execute: Execute<"top"> = async ({ options, operands, output, signal }) => {
  const { client } = await new Instances().client(operands[0] ?? "");
  await using _client = client;
  const { list } = await client.call("osThreads", {}, { signal });
  const threads = list.toSorted((a, b) => b.cpu_ms - a.cpu_ms);
  if (options.json) {
    await output.json(threads);
    return 0;
  }
  const rows = threads.map((thread) => [
    String(thread.id),
    thread.status,
    String(thread.cpu),
    elapsedText(thread.cpu_ms),
    String(thread.switches),
    thread.name,
  ]);
  await output.print(tableText(["TID", "STATUS", "VCPU", "TIME", "SWITCHES", "NAME"], rows));
  return 0;
};
