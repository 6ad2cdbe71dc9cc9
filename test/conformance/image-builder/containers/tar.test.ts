/** GNU tar's own archives, in each of its formats: names longer than a header holds, cut in the middle of a character. */
import { execFileSync } from "node:child_process";
import { link, mkdir, symlink, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { programsMissing } from "../../../support/container-layout.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { applied, layerOf } from "../../../unit/image-builder/containers/layer-fixture.ts";
import { containerRefusal } from "../../../unit/image-builder/containers/layout-fixture.ts";

const test = suite("layers of GNU tar");
const missing = programsMissing("tar");
const FORMATS = ["gnu", "pax", "posix"] as const;
/** Its 100th byte is the first of a character's two. */
const LONG = `${"a".repeat(97)}${"é".repeat(10)}`;

/** A layer with all of a folder. */
function packed(folder: string, format: string) {
  return layerOf(execFileSync("tar", [`--format=${format}`, "-cf", "-", "-C", folder, "."]));
}

if (missing) test.skip(missing, "names cut in the middle of a character");
else {
  test("names and targets that tar cut in the middle of a character are read whole", async () => {
    await using folder = await temporaryFolder();
    await mkdir(folder.file(`d${LONG}`));
    await writeFile(folder.file(`d${LONG}/${LONG}`), "far");
    await writeFile(folder.file(LONG), "near");
    await link(folder.file(LONG), folder.file("z-hard"));
    await symlink(LONG, folder.file("soft"));
    // "./" stands before each name: of two of them, the cut falls into a character with one or the other.
    await writeFile(folder.file(LONG.slice(1)), "one less");
    for (const format of FORMATS) {
      const { entries } = await applied([packed(folder.path, format)]);
      for (const path of [`/d${LONG}/${LONG}`, `/${LONG}`, `/${LONG.slice(1)}`]) {
        assert.is(entries.has(path), true, `${format}: ${path}`);
      }
      const soft = entries.get("/soft");
      assert.is(soft?.kind === "symlink" && soft.target, LONG, format);
      const kinds = [entries.get(`/${LONG}`)?.kind, entries.get("/z-hard")?.kind];
      assert.equal(kinds.sort(), ["file", "link"], format);
    }
  });

  test("names that are not UTF-8 are refused", async () => {
    for (const name of ["caf\xe9", `${"a".repeat(120)}\xe9`]) {
      for (const format of FORMATS) {
        await using folder = await temporaryFolder();
        await writeFile(Buffer.from(folder.file(name), "latin1"), "x");
        const message = await containerRefusal(applied([packed(folder.path, format)]));
        assert.match(message, /is not UTF-8/, format);
      }
    }
  });
}

test.run();
