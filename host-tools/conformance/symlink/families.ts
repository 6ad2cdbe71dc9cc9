/** All families, in the order of the matrix. Numbers of a family that is left out of a run are not used up. */
import { type Calls, calls } from "./calls.ts";
import { creationFamilies } from "./pjdfstest/creation.ts";
import { existingFamilies } from "./pjdfstest/existing.ts";
import { loopFamilies } from "./pjdfstest/loops.ts";
import { ownershipFamilies } from "./pjdfstest/ownership.ts";
import { removalFamilies } from "./pjdfstest/removal.ts";
import { renamingFamilies } from "./pjdfstest/renaming.ts";
import { stickyFamilies } from "./pjdfstest/sticky.ts";
import { followingRules } from "./rules/following.ts";
import { limitRules } from "./rules/limits.ts";
import { linkRules } from "./rules/links.ts";
import { openingRules } from "./rules/opening.ts";
import { readOnlyRules } from "./rules/read-only.ts";
import { refusalRules } from "./rules/refusals.ts";
import { resolutionRules } from "./rules/resolution.ts";
import { type Family, Script, type Verdict } from "./script.ts";

/** For a folder that can be written. */
export const writableFamilies: readonly Family[] = [
  ...[...linkRules, ...followingRules, ...openingRules, ...resolutionRules, ...limitRules],
  ...refusalRules,
  ...[...creationFamilies, ...loopFamilies, ...existingFamilies, ...renamingFamilies],
  ...[...removalFamilies, ...ownershipFamilies, ...stickyFamilies],
];

/** For a read-only file system that holds the links of `read-only-tree.ts`. */
export const readOnlyFamilies: readonly Family[] = readOnlyRules;

/** Every assertion of a family, none of them run. */
export function assertionsOf(family: Family): readonly Verdict[] {
  const found: Verdict[] = [];
  const script = new Script({
    ...{ calls: calls as Calls, tick: () => {} },
    ...{ skip: "listed", report: (verdict) => found.push(verdict) },
  });
  script.play(family);
  return found;
}
