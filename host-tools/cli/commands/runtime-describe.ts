/** `windlass runtime describe`. */
import { RUNTIME_NAMES } from "../../../image-builder/runtimes/runtime.ts";
import { runtimeFacts } from "../../../image-builder/runtimes/runtime-facts.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";
import { availabilityText } from "./runtime-ls.ts";

export const execute: Execute<"runtime describe"> = async ({ operands, options, output }) => {
  const [asked = ""] = operands;
  const name = RUNTIME_NAMES.find((one) => one === asked);
  const facts = name && (await runtimeFacts(name));
  if (!facts) {
    throw new HostError("WL_USAGE", `There is no runtime ${JSON.stringify(asked)}`, {
      next: "See what there is: windlass runtime ls",
    });
  }
  if (options.json) {
    await output.json(facts);
    return 0;
  }
  const { title, summary, markers, manifest, limits } = facts;
  const known = markers.length === 0 ? "by the manifest only" : `by ${markers.join(", ")}`;
  const lines = [
    `${title} (${facts.name})`,
    `in the image  ${summary}`,
    `on this host  ${availabilityText(facts)}`,
    `known         ${known}`,
    ...manifest
      .split("\n")
      .map((line, index) => `${index === 0 ? "windlass.yaml" : " ".repeat(13)} ${line}`),
    ...limits.map((limit, index) => `${index === 0 ? "limits" : "      "}        ${limit}`),
  ];
  await output.print(`${lines.join("\n")}\n`);
  return 0;
};
