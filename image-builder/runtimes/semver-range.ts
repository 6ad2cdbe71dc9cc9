/**
 * Semantic versions and the ranges of package.json's "engines": comparators, hyphen ranges,
 * x-ranges, "~", "^" and "||", with the meaning npm gives them (semver.org 2.0.0; npm's semver(7)).
 *
 * A range is a list of alternatives; an alternative is a list of comparators that must all hold.
 */

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Empty for a release. Numeric identifiers are numbers. */
  readonly prerelease: readonly (string | number)[];
}

type Operator = "<" | "<=" | ">" | ">=" | "=";

interface Comparator {
  readonly operator: Operator;
  readonly version: Version;
}

export type VersionRange = readonly (readonly Comparator[])[];

/** Longer texts are no versions (npm's limit). */
const TEXT_MAX_LENGTH = 256;

const NUMBER = "0|[1-9][0-9]{0,15}";
const IDENTIFIERS = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const SUFFIX = `(?:-(?<prerelease>${IDENTIFIERS}))?(?:\\+${IDENTIFIERS})?`;
const VERSION = new RegExp(
  `^v?(?<major>${NUMBER})\\.(?<minor>${NUMBER})\\.(?<patch>${NUMBER})${SUFFIX}$`,
);
const PART = `${NUMBER}|[xX*]`;
const COMPARATOR = new RegExp(
  `^(?<operator>[<>]=?|=|~>?|\\^)?[v=]*(?<major>${PART})(?:\\.(?<minor>${PART})(?:\\.(?<patch>${PART})${SUFFIX})?)?$`,
);

/** @returns undefined when `text` is not a version; a leading "v" is allowed */
export function parseVersion(text: string): Version | undefined {
  const groups = text.length <= TEXT_MAX_LENGTH ? VERSION.exec(text.trim())?.groups : undefined;
  if (!groups) return undefined;
  const { major, minor, patch } = groups;
  const prerelease = parsePrerelease(groups["prerelease"]);
  const version = { major: Number(major), minor: Number(minor), patch: Number(patch) };
  const isExact = Object.values(version).every(Number.isSafeInteger);
  return prerelease && isExact ? { ...version, prerelease } : undefined;
}

/** Order of precedence: negative when `a` comes before `b`. Build metadata does not count. */
export function compareVersions(a: Version, b: Version): number {
  return (
    a.major - b.major ||
    a.minor - b.minor ||
    a.patch - b.patch ||
    comparePrerelease(a.prerelease, b.prerelease)
  );
}

export function formatVersion({ major, minor, patch, prerelease }: Version): string {
  const suffix = prerelease.length > 0 ? `-${prerelease.join(".")}` : "";
  return `${major}.${minor}.${patch}${suffix}`;
}

/** @returns undefined when `text` is not a range; the empty text is any release */
export function parseRange(text: string): VersionRange | undefined {
  const alternatives: (readonly Comparator[])[] = [];
  for (const alternative of text.split("||")) {
    const comparators = parseAlternative(alternative.trim());
    if (!comparators) return undefined;
    alternatives.push(comparators);
  }
  return alternatives;
}

/**
 * A prerelease only satisfies an alternative that names a prerelease of the same major, minor and
 * patch: who asks for ">=20" does not want 21.0.0-rc.1.
 */
export function satisfies(version: Version, range: VersionRange): boolean {
  return range.some((comparators) => {
    if (!comparators.every((comparator) => holds(version, comparator))) return false;
    if (version.prerelease.length === 0) return true;
    return comparators.some(
      ({ version: named }) =>
        named.prerelease.length > 0 &&
        named.major === version.major &&
        named.minor === version.minor &&
        named.patch === version.patch,
    );
  });
}

/** @returns the highest of `versions` inside the range, undefined when none is */
export function highestSatisfying(
  versions: Iterable<Version>,
  range: VersionRange,
): Version | undefined {
  let highest: Version | undefined;
  for (const version of versions) {
    if (!satisfies(version, range)) continue;
    if (!highest || compareVersions(version, highest) > 0) highest = version;
  }
  return highest;
}

function holds(version: Version, { operator, version: bound }: Comparator): boolean {
  const order = compareVersions(version, bound);
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    case "=":
      return order === 0;
  }
}

/** A version that may be incomplete: "20" and "20.x" leave minor and patch open. */
interface Partial {
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly patch: number | undefined;
  readonly prerelease: readonly (string | number)[];
}

function parseAlternative(text: string): readonly Comparator[] | undefined {
  const hyphen = /^(\S+)\s+-\s+(\S+)$/.exec(text);
  if (hyphen) {
    const from = parseComparator(hyphen[1] ?? "");
    const to = parseComparator(hyphen[2] ?? "");
    if (!from || !to || from.operator !== "" || to.operator !== "") return undefined;
    return [...expand(">=", from.partial), ...expand("<=", to.partial)];
  }
  const comparators: Comparator[] = [];
  // An operator may stand apart from its version: ">= 20".
  for (const word of text.replace(/([<>]=?|=|~>?|\^)\s+/g, "$1").split(/\s+/)) {
    if (word === "") continue;
    const parsed = parseComparator(word);
    if (!parsed) return undefined;
    comparators.push(...expand(parsed.operator, parsed.partial));
  }
  return comparators;
}

function parseComparator(text: string): { operator: string; partial: Partial } | undefined {
  const groups = text.length <= TEXT_MAX_LENGTH ? COMPARATOR.exec(text)?.groups : undefined;
  if (!groups) return undefined;
  const number = (part: string | undefined) =>
    /^[0-9]/.test(part ?? "") ? Number(part) : undefined;
  const [major, minor, patch] = ["major", "minor", "patch"].map((part) => number(groups[part]));
  // A number behind an open part ("20.x.1") means nothing.
  if (major === undefined && minor !== undefined) return undefined;
  if (minor === undefined && patch !== undefined) return undefined;
  const prerelease = parsePrerelease(patch === undefined ? undefined : groups["prerelease"]);
  const isExact = [major, minor, patch].every((part) => Number.isSafeInteger(part ?? 0));
  if (!prerelease || !isExact) return undefined;
  return { operator: groups["operator"] ?? "", partial: { major, minor, patch, prerelease } };
}

/** The comparators an operator with a possibly incomplete version stands for. */
function expand(operator: string, partial: Partial): readonly Comparator[] {
  const { major, minor, patch, prerelease } = partial;
  if (major === undefined) return operator === "<" || operator === ">" ? [NOTHING] : [];
  const low = { major, minor: minor ?? 0, patch: patch ?? 0, prerelease };
  switch (operator) {
    case "^":
      return [{ operator: ">=", version: low }, below(afterCaret(partial, low))];
    case "~":
    case "~>":
      return [{ operator: ">=", version: low }, below(afterTilde(partial, low))];
    case ">":
      return patch === undefined
        ? [{ operator: ">=", version: afterTilde(partial, low) }]
        : [{ operator, version: low }];
    case "<":
      return patch === undefined ? [below(low)] : [{ operator, version: low }];
    case "<=":
      return patch === undefined ? [below(afterTilde(partial, low))] : [{ operator, version: low }];
    case ">=":
      return [{ operator, version: low }];
    default:
      return patch === undefined
        ? [{ operator: ">=", version: low }, below(afterTilde(partial, low))]
        : [{ operator: "=", version: low }];
  }
}

/** No version at all: "<*" and ">*". Every version has at least the prerelease "0". */
const NOTHING: Comparator = {
  operator: "<",
  version: { major: 0, minor: 0, patch: 0, prerelease: [0] },
};

/** Excludes the bound's own prereleases as well: "^1.2.3" does not reach 2.0.0-alpha. */
function below({ major, minor, patch }: Version): Comparator {
  return { operator: "<", version: { major, minor, patch, prerelease: [0] } };
}

/** The first version after all those that agree with the given parts; patch counts as open. */
function afterTilde({ minor }: Partial, low: Version): Version {
  return minor === undefined
    ? { major: low.major + 1, minor: 0, patch: 0, prerelease: [] }
    : { major: low.major, minor: low.minor + 1, patch: 0, prerelease: [] };
}

/** The first version that changes the leftmost part that is not zero. */
function afterCaret({ minor, patch }: Partial, low: Version): Version {
  if (low.major > 0 || minor === undefined) {
    return { major: low.major + 1, minor: 0, patch: 0, prerelease: [] };
  }
  if (low.minor > 0 || patch === undefined) {
    return { major: 0, minor: low.minor + 1, patch: 0, prerelease: [] };
  }
  return { major: 0, minor: 0, patch: low.patch + 1, prerelease: [] };
}

function parsePrerelease(text: string | undefined): readonly (string | number)[] | undefined {
  if (text === undefined) return [];
  const identifiers: (string | number)[] = [];
  for (const identifier of text.split(".")) {
    const isNumeric = /^[0-9]+$/.test(identifier);
    if (isNumeric && identifier.length > 1 && identifier.startsWith("0")) return undefined;
    identifiers.push(isNumeric ? Number(identifier) : identifier);
  }
  return identifiers;
}

/** semver.org 2.0.0, item 11: a release comes after its prereleases; numbers come before words. */
function comparePrerelease(
  a: readonly (string | number)[],
  b: readonly (string | number)[],
): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const left = a[index];
    const right = b[index];
    if (left === undefined || right === undefined) return a.length - b.length;
    if (left === right) continue;
    if (typeof left !== typeof right) return typeof left === "number" ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return 0;
}
