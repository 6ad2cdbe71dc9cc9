/** What programs may expect of the system that they run on, asked by one program for each runtime. */
import type { Suite } from "../suite.ts";
import { cDynamicRow, cStaticRow } from "./c-rows.ts";
import { nodeRow } from "./node-row.ts";
import { runtimeCases } from "./runtime-cases.ts";

export const runtimeSuite: Suite = {
  name: "runtime",
  summary: "What programs of each runtime may expect of the system",
  cases: runtimeCases,
  rows: [nodeRow, cDynamicRow, cStaticRow],
};
