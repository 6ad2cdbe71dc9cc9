/**
 * The symlink suite as one program: `node symlink.cjs PLACE [CASES]`. PLACE is a folder, or "tmpfs", "ext4",
 * "overlay" or "erofs"; CASES are ids with commas between them, default all. Prints a line for each assertion
 * and a summary (../verdict.ts). Exits 0 when all could be asked, whatever the answers.
 */
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { calls } from "./calls.ts";
import { assertionsOf, readOnlyFamilies, writableFamilies } from "./families.ts";
import { type NoPlace, openPlace, type Place } from "./place.ts";
import { type Family, Script, type ScriptOptions, type Verdict } from "./script.ts";
import { ticker } from "./ticker.ts";

/** Beside this program. */
export const IMAGE_FILE = "links.erofs";

const counts = { PASS: 0, FAIL: 0, SKIP: 0 };

function main([wanted = "./", cases]: readonly string[]): void {
  process.umask(0o022);
  const isWanted = caseFilter(cases);
  const program = dirname(fs.realpathSync(process.argv[1] ?? ""));
  const found = openPlace(wanted, join(program, IMAGE_FILE));
  const isReadOnly = "missing" in found ? wanted === "erofs" : found.isReadOnly;
  const families = (isReadOnly ? readOnlyFamilies : writableFamilies).filter((family) =>
    assertionsOf(family).some(({ id }) => isWanted(id)),
  );
  const report = (verdict: Verdict): void => {
    if (isWanted(verdict.id) || verdict.id.endsWith(".script")) print(verdict);
  };
  run(families, found, report);
  const { PASS, FAIL, SKIP } = counts;
  process.stdout.write(`SUMMARY ${PASS + FAIL + SKIP} ${PASS} ${FAIL} ${SKIP}\n`);
}

function caseFilter(cases: string | undefined): (id: string) => boolean {
  if (cases === undefined) return () => true;
  const wanted = new Set(cases.split(","));
  return (id) => wanted.has(id);
}

function run(
  families: readonly Family[],
  found: Place | NoPlace,
  report: (verdict: Verdict) => void,
): void {
  const expectation = process.env["SYMLINK_SUITE_WRONG"] === "1" ? wrong : undefined;
  const options = { calls, report, expectation };
  if ("missing" in found) {
    const script = new Script({ ...options, tick: () => {}, skip: found.missing });
    for (const family of families) script.play(family);
    return;
  }
  using place = found;
  const tick = place.isReadOnly ? () => {} : ticker(join(place.folder, "tick"));
  for (const family of families) playIn(place, family, { ...options, tick });
  process.chdir("/");
}

/** Each family has an empty folder of its own; on a read-only file system all have its root. */
function playIn(place: Place, family: Family, options: ScriptOptions): void {
  const folder = place.isReadOnly
    ? place.folder
    : join(place.folder, family.id.replaceAll("/", "-"));
  if (!place.isReadOnly) fs.mkdirSync(folder);
  process.chdir(folder);
  new Script(options).play(family);
  process.chdir(place.folder);
  if (!place.isReadOnly) fs.rmSync(folder, { recursive: true, force: true });
}

/** For the suite's own test: no answer of a kernel is this. */
function wrong(expected: string): string {
  return expected
    .split("|")
    .map((one) => `not ${one}`)
    .join("|");
}

function print({ id, verdict, text, expected, actual, source }: Verdict): void {
  counts[verdict] += 1;
  const answer = {
    PASS: `${text} = ${actual}`,
    FAIL: `${text} = ${actual}, expected ${expected} (${source})`,
    SKIP: actual,
  };
  // Paths and answers hold any bytes; a line is one line.
  const detail = JSON.stringify(answer[verdict]).slice(1, -1).replaceAll('\\"', '"');
  process.stdout.write(`CASE ${id} ${verdict} ${detail}\n`);
}

main(process.argv.slice(2));
