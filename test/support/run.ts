/**
 * Runs the test folders named on the command line (`unit`, `conformance`, ...), or single test files,
 * one file after the other in this process, and closes with `N passed, N failed, N skipped`.
 * Exits 1 when a test failed, when a file could not be loaded, or when there was no test at all.
 *
 * With `--jobs N` first, the unit tests and each other file have a process of their own, N at a time.
 */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runJobs, type Tally } from "./run-jobs.ts";

// uvu reads these globals as it loads: suites then register in the queue instead of running at once.
const queue: unknown[][] = [];
Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: queue });
const { exec } = await import("uvu");
const { longTests, tally } = await import("./suite.ts");

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

/** Hundreds of small files: they share a process, which starts once. */
const ONE_PROCESS = "unit";

/** Folders with tests that build images and boot them. */
const BOOTING = ["integration", "end-to-end"];

async function runApart(jobCount: string | undefined, names: readonly string[]): Promise<Tally> {
  const atOnce = Number(jobCount);
  if (!(atOnce >= 1 && atOnce <= 64)) throw new RangeError("--jobs takes a number from 1 to 64");
  const jobs: string[][] = [];
  for (const name of names) {
    if (name === ONE_PROCESS) jobs.push([name]);
    else jobs.push(...(await testFiles(name)).map((file) => [file]));
  }
  await using _seed = names.some((name) => BOOTING.includes(name)) ? await seed() : null;
  return await runJobs(jobs, atOnce);
}

/** Loads what boots machines only where machines are booted. */
async function seed(): Promise<AsyncDisposable> {
  const { makeSeed } = await import("./make-seed.ts");
  return await makeSeed();
}

async function runHere(names: readonly string[]): Promise<Tally> {
  for (const name of names) {
    for (const file of await testFiles(name)) await load(file);
  }
  await exec();
  for (const line of longTests) console.log(`  ${line}`);
  return tally;
}

async function load(file: string): Promise<void> {
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

const words = process.argv.slice(2);
const counted =
  words[0] === "--jobs" ? await runApart(words[1], words.slice(2)) : await runHere(words);
const { passed, failed, skipped } = counted;
const isEmpty = passed + failed + skipped === 0;
if (isEmpty) console.error("no test ran");
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 || isEmpty || process.exitCode ? 1 : 0);
