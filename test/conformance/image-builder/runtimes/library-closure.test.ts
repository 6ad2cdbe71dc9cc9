/** The library closure of this machine's own executables against ldd(1), which runs the dynamic linker. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { readElfFile } from "../../../../image-builder/runtimes/elf.ts";
import { libraryClosure } from "../../../../image-builder/runtimes/library-closure.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("library closure (ldd as oracle)", { timeoutMs: 120_000 });

const EXECUTABLES = 200;
const FOLDERS = ["/usr/bin", "/usr/sbin"];

/** Programs with a dynamic linker, spread over the names that there are. */
async function executables(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of FOLDERS) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (!entry.isFile() || found.length >= EXECUTABLES) continue;
      const path = join(folder, entry.name);
      const elf = await readElfFile(path).catch(() => undefined);
      if (elf?.interpreter?.includes("ld-linux") && elf.needed.length > 0) found.push(path);
    }
  }
  return found;
}

/** What ldd says of many files: it starts one dynamic linker for each, which maps and runs nothing else. */
function listings(paths: readonly string[]): Map<string, string> {
  const { stdout } = spawnSync("ldd", paths, { encoding: "utf8", maxBuffer: 1 << 26 });
  const parts = stdout.split(/^(\/\S.*):$/m).slice(1);
  const result = new Map<string, string>();
  for (let at = 0; at < parts.length; at += 2) result.set(parts[at] ?? "", parts[at + 1] ?? "");
  return result;
}

const name = `equals or exceeds ldd's for ${EXECUTABLES} executables`;
if (!existsSync("/usr/bin/ldd")) test.skip("ldd is not installed", name);
else {
  test(name, async () => {
    const paths = await executables();
    assert.ok(paths.length >= EXECUTABLES, `this machine has only ${paths.length} executables`);
    let compared = 0;
    for (const [path, listing] of listings(paths)) {
      if (listing.includes("not found")) continue;
      const { libraries } = await libraryClosure([path]);
      const ours = new Set(libraries.map(({ hostPath }) => hostPath));
      for (const [, soname, file] of listing.matchAll(/^\s*(\S+) => (\S+) \(/gm)) {
        if (!file || soname?.includes("ld-linux")) continue;
        assert.ok(ours.has(realpathSync(file)), `${path} needs ${file}`);
      }
      compared += 1;
    }
    assert.ok(compared >= EXECUTABLES * 0.95, `only ${compared} were compared`);
  });
}

test.run();
