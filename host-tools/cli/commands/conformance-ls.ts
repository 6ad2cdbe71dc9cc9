/** `windlass conformance ls`. */
import { loadSuites } from "../../conformance/suites.ts";
import type { Execute } from "../invocation.ts";
import { tableText } from "../table-text.ts";

export const execute: Execute<"conformance ls"> = async ({ operands, options, output }) => {
  const [name] = operands;
  const suites = await loadSuites(name);
  if (options.json) {
    const plain = suites.map(({ name, summary, cases, rows }) => {
      return { name, summary, cases, rows: rows.map(({ id, title }) => ({ id, title })) };
    });
    await output.json(plain);
    return 0;
  }
  if (name === undefined) {
    const lines = suites.map(({ name, summary, cases, rows }) => {
      return [name, String(cases.length), rows.map(({ id }) => id).join(" "), summary];
    });
    await output.print(tableText(["SUITE", "CASES", "ROWS", "WHAT"], lines));
    return 0;
  }
  for (const { cases } of suites) {
    const lines = cases.map(({ id, title }) => [id, title]);
    await output.print(tableText(["CASE", "WHAT HAS TO HOLD"], lines));
  }
  return 0;
};
