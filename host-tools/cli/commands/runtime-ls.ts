/** `windlass runtime ls`. */
import {
  allRuntimeFacts,
  type RuntimeFacts,
} from "../../../image-builder/runtimes/runtime-facts.ts";
import type { Execute } from "../invocation.ts";
import { tableText } from "../table-text.ts";

const TITLES = ["RUNTIME", "TITLE", "HERE", "FOLDERS WITH"];

export const execute: Execute<"runtime ls"> = async ({ options, output }) => {
  const all = await allRuntimeFacts();
  if (options.json) {
    await output.json(all.map(({ manifest: _manifest, limits: _limits, ...facts }) => facts));
    return 0;
  }
  const rows = all.map((facts) => [
    facts.name,
    facts.title,
    availabilityText(facts),
    facts.markers.join(", "),
  ]);
  await output.print(tableText(TITLES, rows));
  return 0;
};

/** "3.11.2", "yes", or what would have to be installed. */
export function availabilityText(facts: RuntimeFacts): string {
  if (facts.isAvailable) return facts.version ?? "yes";
  if (facts.install !== null) return `no: ${facts.install}`;
  return facts.missingPackages.length === 0
    ? "no"
    : `no: apt-get install ${facts.missingPackages.join(" ")}`;
}
