/** `windlass help`. */
import { nearestWord } from "../../../image-builder/manifest/spelling.ts";
import { HostError } from "../../errors.ts";
import { commandNames } from "../command-table.ts";
import { hasHelp, helpText } from "../help.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"help"> = async ({ operands, output }) => {
  const about = operands.length === 0 ? undefined : operands.join(" ");
  if (about !== undefined && !hasHelp(about)) {
    const near = nearestWord(about, commandNames);
    throw new HostError("WL_USAGE", `There is no command "${about}"`, {
      next: near === undefined ? 'See "windlass --help"' : `Did you mean "${near}"?`,
    });
  }
  await output.print(helpText(about));
  return 0;
};
