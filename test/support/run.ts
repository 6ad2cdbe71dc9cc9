/**
 * Runs the test folders named on the command line (`unit`, `conformance`, ...), or single test files,
 * one file after the other in this process, and closes with `N passed, N failed, N skipped`.
 * Exits 1 when a test failed, when a file could not be loaded, or when no test ran at all.
 */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

// uvu reads these globals as it loads: suites then register in the queue instead of running at once.
const queue: unknown[][] = [];
Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: queue });
const { exec } = await import("uvu");
const { tally } = await import("./suite.ts");

const testFolder = resolve(import.meta.dirname, "..");

async function testFiles(argument: string): Promise<string[]> {
  const path = argument.endsWith(".ts") ? resolve(argument) : join(testFolder, argument);
  if ((await stat(path)).isFile()) return [path];
  const names = await readdir(path, { recursive: true });
  return names
    .filter((name) => name.endsWith(".test.ts"))
    .sort()
    .map((name) => join(path, name));
}

for (const argument of process.argv.slice(2)) {
  for (const file of await testFiles(argument)) {
    Object.assign(globalThis, { UVU_INDEX: queue.push([file.slice(testFolder.length + 1)]) - 1 });
    const before = tally.passed + tally.failed + tally.skipped;
    try {
      await import(pathToFileURL(file).href);
    } catch (error) {
      tally.failed += 1;
      console.error(`cannot load ${file}:`, error);
    }
    const registered = queue.at(-1)?.length ?? 0;
    if (registered < 2 && tally.passed + tally.failed + tally.skipped === before) {
      tally.failed += 1;
      console.error(`${file} registers no suite: is its last line test.run()?`);
    }
  }
}
await exec();
const { passed, failed, skipped } = tally;
if (passed + failed === 0) console.error("no test ran");
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 || passed === 0 || process.exitCode ? 1 : 0);
