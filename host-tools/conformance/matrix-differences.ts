/** Where targets say different things of the same case: whether a guest is what the host is. */
import { grouped, groupOf } from "./case-groups.ts";
import type { SuiteReport } from "./report.ts";

/** As many cases are named one by one; of more, only their groups. */
const NAMED_CASES_MAX = 8;

/** @param reports of one suite, each on another target, and of the same cases */
export function differenceLines(reports: readonly SuiteReport[], isVerbose: boolean): string[] {
  if (reports.length < 2) return [];
  const ids = reports[0]?.cases.map(({ id }) => id) ?? [];
  const shared = [...new Set(reports.flatMap(({ rows }) => rows.map(({ id }) => id)))].filter(
    (row) => reports.filter(({ rows }) => rows.some(({ id }) => id === row)).length > 1,
  );
  const lines = shared.flatMap((row) => {
    const differing = ids.flatMap((id, index) => {
      const said = verdictsText(reports, row, index);
      return said === undefined ? [] : [{ id, said }];
    });
    return [...grouped(differing, ({ said }) => said)].map(([said, members]) => {
      const names = members.map(({ id }) => id);
      return `  ${row}: ${said}: ${casesText(names, isVerbose)}`;
    });
  });
  const of = `${ids.length} cases in each of ${shared.join(", ")}`;
  if (lines.length === 0) return ["", `The same on every target: ${of}`];
  return ["", `Not the same on every target, of ${of}:`, ...lines];
}

/** "pass on host, skip on image hello"; undefined when all say the same. */
function verdictsText(
  reports: readonly SuiteReport[],
  row: string,
  index: number,
): string | undefined {
  const said = reports.flatMap(({ rows, target }) => {
    const verdict = rows.find(({ id }) => id === row)?.results[index]?.verdict;
    return verdict === undefined ? [] : [{ verdict, name: target.name }];
  });
  const byVerdict = grouped(said, ({ verdict }) => verdict);
  if (byVerdict.size < 2) return undefined;
  return [...byVerdict]
    .map(([verdict, places]) => `${verdict} on ${places.map(({ name }) => name).join(" and ")}`)
    .join(", ");
}

function casesText(ids: readonly string[], isVerbose: boolean): string {
  if (isVerbose || ids.length <= NAMED_CASES_MAX) return ids.join(", ");
  return `${ids.length} cases of ${[...new Set(ids.map(groupOf))].join(", ")}`;
}
