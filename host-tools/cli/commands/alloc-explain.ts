/** `windlass alloc explain`. */
import { layouts } from "../../../allocator-model/address-layout.ts";
import { explainAddress, explanationText } from "../../../allocator-model/explanation.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"alloc explain"> = async ({ operands, options, output }) => {
  const layout = layouts[options.scheme ?? "proposal"];
  const explanations = operands.map((text) => explainAddress(layout, addressFrom(text)));
  if (options.json) await output.json(explanations);
  else await output.print(`${explanations.map(explanationText).join("\n\n")}\n`);
  return 0;
};

/** Hexadecimal, with 0x or without, as debuggers print it: also with a "_" or a "`" between the digits. */
function addressFrom(text: string): bigint {
  const digits = text.replace(/^0x/i, "").replaceAll(/[_`]/g, "");
  if (/^[0-9a-f]{1,16}$/i.test(digits)) return BigInt(`0x${digits}`);
  throw new HostError("WL_USAGE", `"${text}" is not an address`, {
    next: "Give 1 to 16 hexadecimal digits, for example 0xffffa00012345800",
  });
}
