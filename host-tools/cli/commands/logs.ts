/** `windlass logs`. */
import { Instances } from "../../instance/instances.ts";
import type { Execute } from "../invocation.ts";
import { LastLines, linesOf } from "../journal-lines.ts";
import { printLine, printRecord } from "../journal-output.ts";
import { tailLines, timeMs } from "../option-values.ts";

export const execute: Execute<"logs"> = async ({ options, operands, output, signal }) => {
  const { follow, timestamps } = options;
  const limit = tailLines(options.tail);
  const sinceMs = options.since === undefined ? 0 : timeMs(options.since, Date.now());
  const instances = new Instances();
  const instance = await instances.get(operands[0] ?? "");

  const isAll = limit === Number.POSITIVE_INFINITY;
  const past = new LastLines(limit);
  let seen = 0;
  for await (const record of instances.journal(instance, { signal })) {
    seen += 1;
    if (record.timeMs < sinceMs) continue;
    if (!isAll) past.add(linesOf(record));
    else if (options.json) await output.jsonLine(record);
    else await printRecord(output, record, { timestamps, remarks: false });
  }
  for (const line of past.lines()) {
    await (options.json
      ? output.jsonLine({ kind: "output", ...line })
      : printLine(output, line, { timestamps }));
  }
  if (!follow) return 0;
  // The journal only grows: what was shown already is passed over.
  for await (const record of instances.journal(instance, { follow: true, signal })) {
    if (seen > 0) seen -= 1;
    else if (options.json) await output.jsonLine(record);
    else await printRecord(output, record, { timestamps });
  }
  return 0;
};
