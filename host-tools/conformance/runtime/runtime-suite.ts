/** What programs may expect of the system that they run on, asked by one program for each runtime. */
import type { Suite } from "../suite.ts";
import { cDynamicRow, cStaticRow } from "./c-rows.ts";
import { goCgoRow, goStaticRow } from "./go-rows.ts";
import { javaRow } from "./java-row.ts";
import { nodeRow } from "./node-row.ts";
import { pythonRow } from "./python-row.ts";
import { runtimeCases } from "./runtime-cases.ts";

export const runtimeSuite: Suite = {
  name: "runtime",
  summary: "What programs of each runtime may expect of the system",
  cases: runtimeCases,
  rows: [nodeRow, cDynamicRow, cStaticRow, goStaticRow, goCgoRow, pythonRow, javaRow],
};
