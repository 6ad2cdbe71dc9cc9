/** `windlass doctor`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { type Check, isHealthy, runChecks } from "../doctor-checks.ts";
import type { Execute } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";

const NAME_WIDTH = 14;
const COLOURS = { ok: 32, warn: 33, fail: 31 } as const;

export const execute: Execute<"doctor"> = async ({ options, output, signal }) => {
  const checks = await runChecks(windlassFolders(), { signal });
  const healthy = isHealthy(checks);
  if (options.json) await output.json({ healthy, checks });
  else {
    const coloured = output.isTerminal && !process.env["NO_COLOR"];
    await output.print(checks.map((check) => checkText(check, coloured)).join(""));
  }
  return healthy ? 0 : 1;
};

function checkText({ name, status, reason, remedy }: Check, coloured: boolean): string {
  const word = status.padEnd(4);
  const mark = coloured ? `\x1b[${COLOURS[status]}m${word}\x1b[39m` : word;
  const line = `${mark}  ${name.padEnd(NAME_WIDTH)} ${printableLine(reason)}\n`;
  return remedy === null ? line : `${line}${" ".repeat(6)}next: ${remedy}\n`;
}
