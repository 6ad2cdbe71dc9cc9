import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { ignoreVerdict, parseIgnoreRules } from "../../../../image-builder/project/ignore-rules.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "./project-folder.ts";

const test = suite("ignore rules");

/** The verdict for a file, with the folders above it asked first, as a walk does. */
function isIgnored(rules: string, path: string, isDirectory = false): boolean {
  const parsed = parseIgnoreRules(rules);
  const parts = path.split("/");
  return parts.some((_, index) => {
    const isLast = index === parts.length - 1;
    const verdict = ignoreVerdict(
      parsed,
      parts.slice(0, index + 1).join("/"),
      !isLast || isDirectory,
    );
    return verdict === "ignored";
  });
}

const cases: readonly (readonly [rules: string, path: string, ignored: boolean])[] = [
  ["*.log", "a/b.log", true],
  ["/a", "a", true],
  ["/a", "b/a", false],
  ["a/b", "x/a/b", false],
  ["doc/", "doc", false],
  ["doc/", "doc/x", true],
  ["**/a", "x/y/a", true],
  ["a/**", "a/x/y", true],
  ["a/**", "a", false],
  ["a/**/b", "a/b", true],
  ["a/**/b", "a/x/y/b", true],
  ["a**/b", "ax/y/b", true],
  ["x?**/b", "xa/y/b", false],
  ["a/*", "a/x", true],
  ["a/*/c", "a/x/y/c", false],
  ["*\n!keep", "keep", false],
  ["dir\n!dir/keep", "dir/keep", true],
  ["\\#x", "#x", true],
  ["#x", "#x", false],
  ["\\!x", "!x", true],
  ["x ", "x", true],
  ["x\\ ", "x ", true],
  ["x\r", "x", true],
  ["[a-c]1", "b1", true],
  ["[!a-c]1", "b1", false],
  ["[[:digit:]]", "7", true],
  ["a[", "a[", false],
  ["a\\", "a\\", false],
  ["?", "é", true],
  ["a.b", "axb", false],
  ["", "a", false],
  ["/", "a", false],
];
for (const [rules, path, ignored] of cases) {
  test(`${JSON.stringify(rules)} ${ignored ? "leaves out" : "keeps"} ${JSON.stringify(path)}`, () => {
    assert.is(isIgnored(rules, path), ignored);
  });
}

test("gives git's verdict", async () => {
  await using folder = await projectFolder();
  execFileSync("git", ["init", "-q", folder.path]);
  const glob = fc
    .array(
      fc.constantFrom(
        ..."ab*?/-# .!\\",
        ...["**", "**/", "/**", "[ab]", "[!a]", "[^a-b]", "[]a]", "[a", "\\*", "[[:alpha:]]"],
        ...["[[:x:]]", "[b-a]", "***", "[\\]]", "[a-]", "[:a]", "\\/", "foo"],
      ),
      { minLength: 1, maxLength: 6 },
    )
    .map((parts) => parts.join(""));
  const name = fc.constantFrom(
    "a",
    "b",
    "ab",
    "foo",
    "-",
    "x.y",
    "#a",
    "!a",
    "*",
    "]",
    "a b",
    "a\\",
  );
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  let ignoredCount = 0;
  fc.assert(
    fc.property(
      fc.array(glob, { minLength: 1, maxLength: 3 }),
      fc.uniqueArray(path, { minLength: 20, maxLength: 40 }),
      (globs, paths) => {
        const rules = `${globs.join("\n")}\n`;
        writeFileSync(join(folder.path, ".gitignore"), rules);
        const git = spawnSync("git", ["check-ignore", "--no-index", "-z", "--stdin"], {
          cwd: folder.path,
          input: paths.map((item) => `./${item}\0`).join(""),
          encoding: "utf8",
        });
        assert.ok(git.status === 0 || git.status === 1, git.stderr);
        const expected = git.stdout.split("\0").slice(0, -1).sort();
        const actual = paths.filter((item) => isIgnored(rules, item)).map((item) => `./${item}`);
        assert.equal(actual.sort(), expected);
        ignoredCount += expected.length;
      },
    ),
    { numRuns: 120 },
  );
  assert.ok(ignoredCount > 100, "the property compared something");
});

test.run();
