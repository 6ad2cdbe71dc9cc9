/** The manifest of the runtime suite's cases. */
import type { SuiteCase } from "../suite.ts";
import casesFile from "./cases.json" with { type: "json" };

export const runtimeCases: readonly SuiteCase[] = casesFile;
export const runtimeCaseIds: readonly string[] = runtimeCases.map(({ id }) => id);
