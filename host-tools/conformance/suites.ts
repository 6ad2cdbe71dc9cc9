/** All suites, each loaded when it is wanted. */
import { HostError } from "../errors.ts";
import type { Suite } from "./suite.ts";

const LOADERS = {
  runtime: async () => (await import("./runtime/runtime-suite.ts")).runtimeSuite,
  symlink: async () => (await import("./symlink/symlink-suite.ts")).symlinkSuite,
} satisfies Readonly<Record<string, () => Promise<Suite>>>;

export const suiteNames = Object.keys(LOADERS) as readonly (keyof typeof LOADERS)[];

/**
 * @param name default: all
 * @throws {HostError} WL_USAGE when there is no such suite
 */
export async function loadSuites(name?: string): Promise<Suite[]> {
  const wanted = suiteNames.filter((one) => name === undefined || one === name);
  if (wanted.length > 0) return await Promise.all(wanted.map((one) => LOADERS[one]()));
  throw new HostError("WL_USAGE", `There is no suite ${JSON.stringify(name)}`, {
    next: `Write one of ${suiteNames.join(", ")}; or none of them for all`,
  });
}
