/** The library closure against what the dynamic linkers themselves say: glibc's through ldd(1), and musl's. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { readElfFile } from "../../../../image-builder/runtimes/elf.ts";
import { libraryClosure } from "../../../../image-builder/runtimes/library-closure.ts";
import { findTool } from "../../../../image-builder/runtimes/toolchain.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("library closure (dynamic linkers as oracles)", { timeoutMs: 120_000 });

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

/** A program of musl with a library that needs another, each found by its own search path. */
async function muslProgram(folder: string): Promise<string> {
  const file = (name: string) => join(folder, name);
  const compile = (...args: string[]) => promisify(execFile)("musl-gcc", args, { cwd: folder });
  await mkdir(file("lib/inner"), { recursive: true });
  await writeFile(file("inner.c"), "int inner(void) { return 3; }\n");
  await writeFile(file("outer.c"), "int inner(void); int outer(void) { return inner(); }\n");
  await writeFile(file("program.c"), "int outer(void); int main(void) { return outer(); }\n");
  const shared = ["-shared", "-fPIC"];
  const named = (name: string) => [`-Wl,-soname,${name}`, "-o"];
  await compile(...shared, "inner.c", ...named("libinner.so.1"), "lib/inner/libinner.so.1");
  const inner = ["lib/inner/libinner.so.1", "-Wl,-rpath,$ORIGIN/inner"];
  await compile(...shared, "outer.c", ...inner, ...named("libouter.so.1"), "lib/libouter.so.1");
  const outer = ["lib/libouter.so.1", "-Wl,-rpath,$ORIGIN/lib", "-Wl,-rpath-link,lib/inner"];
  await compile("program.c", ...outer, "-o", "program");
  return file("program");
}

const muslName = "equals what musl's dynamic linker lists, and names what is missing";
if (!findTool({ program: "musl-gcc" })) test.skip("musl-gcc is not installed", muslName);
else {
  test(muslName, async () => {
    await using folder = await temporaryFolder();
    const program = await muslProgram(folder.path);
    const { libraries, interpreters } = await libraryClosure([
      { hostPath: program, guestPath: "/app/program" },
    ]);
    const linker = interpreters[0] ?? "";
    const { stdout } = await promisify(execFile)(linker, ["--list", program]);
    const listed = [...stdout.matchAll(/=> (\S+) \(/g)].map(([, path = ""]) => path);
    assert.equal(
      libraries.map(({ hostPath }) => hostPath),
      listed
        .filter((path) => path !== linker)
        .map((path) => realpathSync(path))
        .sort(),
    );
    assert.equal(
      libraries.map(({ guestPath }) => guestPath),
      ["/app/lib/inner/libinner.so.1", "/app/lib/libouter.so.1"],
    );
    await rm(folder.file("lib/inner/libinner.so.1"));
    const error: unknown = await libraryClosure([program]).catch((cause: unknown) => cause);
    assert.match(
      String(error),
      /Cannot find library "libinner\.so\.1", needed by .*libouter\.so\.1/,
    );
  });
}

test.run();
