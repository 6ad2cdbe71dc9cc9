/** `windlass attach`. */
import { Instances } from "../../instance/instances.ts";
import type { Execute } from "../invocation.ts";
import { printRecord } from "../journal-output.ts";
import { sendInput } from "../program-input.ts";

export const execute: Execute<"attach"> = async (invocation) => {
  const { options, operands, output, signal, report } = invocation;
  const instances = new Instances();
  const { instance, client } = await instances.client(operands[0] ?? "");
  await using _client = client;
  const { record } = instance;
  const input = new AbortController();
  if (record.options.program.openStdin && !options["no-stdin"]) {
    sendInput(client, process.stdin, { signal: input.signal }).catch((error) => {
      if (!input.signal.aborted) report(error);
    });
  }
  let past = 0;
  for await (const _record of instances.journal(instance, { signal })) past += 1;
  try {
    for await (const entry of instances.journal(instance, { follow: true, signal })) {
      if (past > 0) past -= 1;
      else await printRecord(output, entry);
    }
  } catch (error) {
    if (signal.aborted) output.note(`Detached; instance "${record.name}" goes on`);
    throw error;
  } finally {
    input.abort();
  }
  const { exitCode } = await instances.wait(record.id);
  return exitCode;
};
