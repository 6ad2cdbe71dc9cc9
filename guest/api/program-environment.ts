/** The environment that a program starts with. Imports nothing but names: host and guest put it together. */
import { PRELOAD_FILE } from "./wake-channel.ts";

export interface ProgramFacts {
  readonly home: string | undefined;
  /** V8's heap limit, where its own does not fit the machine. */
  readonly heapMib: number | undefined;
  readonly isNode: boolean;
}

/**
 * A heap limit the user chose stands. A Node program, and every Node it starts, loads the file that lets it take
 * part in templates.
 */
export function programEnvironment(
  environment: Readonly<Record<string, string>>,
  { home, heapMib, isNode }: ProgramFacts,
): Record<string, string> {
  const result: Record<string, string> = { HOME: home ?? "/tmp", ...environment };
  const options = environment["NODE_OPTIONS"] ?? "";
  const ours: string[] = [];
  if (isNode) ours.push(`--require=${PRELOAD_FILE}`);
  if (heapMib !== undefined && !/max[-_]old[-_]space[-_]size/.test(options)) {
    ours.push(`--max-old-space-size=${heapMib}`);
  }
  if (ours.length > 0) result["NODE_OPTIONS"] = [...ours, options].join(" ").trim();
  return result;
}
