/** Ranges of Python versions: as manifests write them ("3.11"), and as PEP 440 does (">=3.9,<4", "~=3.10"). */
import { parseRange, type VersionRange } from "./semver-range.ts";

/** @returns undefined for what is no range */
export function parsePythonRange(text: string): VersionRange | undefined {
  const clauses = text.split(",").map((clause) => clause.trim());
  // An exclusion cannot be said as a range; it is nearly always of one broken release.
  const kept = clauses.filter((clause) => !clause.startsWith("!="));
  return parseRange(kept.map(comparatorOf).join(" "));
}

function comparatorOf(clause: string): string {
  const compatible = /^~=\s*([0-9]+)\.([0-9]+)(\.[0-9]+)?$/.exec(clause);
  if (compatible) {
    const [, major, minor, patch] = compatible;
    const end =
      patch === undefined ? `${Number(major) + 1}.0.0` : `${major}.${Number(minor) + 1}.0`;
    return `>=${major}.${minor}${patch ?? ""} <${end}`;
  }
  return clause.replace(/^={2,3}\s*/, "").replace(/\.\*$/, "");
}
