/** Times of a trace as commands take them: PEAK, END, or a percentage of its operations. Pure. */
import { HostError } from "../errors.ts";

/**
 * @returns of the trace; undefined for where its footprint is largest
 * @throws {HostError} WL_USAGE
 */
export function shareOfTrace(text: string): number | undefined {
  const word = text.toUpperCase();
  if (word === "PEAK") return undefined;
  if (word === "END") return 1;
  const [, percent] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? [];
  if (percent !== undefined && Number(percent) <= 100) return Number(percent) / 100;
  throw new HostError("WL_USAGE", `"${text}" is no time of a trace`, {
    next: "Write PEAK, END or a percentage, for example 50%",
  });
}
