/**
 * Whether the allocator's unit tests find faults: each of a list is made in a copy of the model, and the test that is
 * named with it has to fail there.
 */
import { execFile } from "node:child_process";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Fault, faults } from "./allocator-faults.ts";

const ROOT = join(import.meta.dirname, "../..");
const COPIED = ["allocator-model", "test/unit/allocator-model", "test/support"] as const;
const TESTS = "test/unit/allocator-model";
/** As many faults at a time, each in a copy of its own. */
const COPIES = 2;
/** Of one test file; some take a second. */
const RUN_TIMEOUT_MS = 30_000;
const OUTPUT_SHOWN = 2000;

const test = suite("faults of the allocator model", { timeoutMs: 180_000 });

test("there are faults of every part, and each is another one", () => {
  const files = new Set(faults.map(({ file }) => file));
  assert.ok(faults.length >= 15 && files.size >= 10);
  const texts = faults.map(({ file, find, replacement }) => `${file}\n${find}\n${replacement}`);
  assert.is(new Set(texts).size, faults.length);
});

test("without a fault the copied tests pass, with each the test that is named fails", async ({
  signal,
}) => {
  await using folder = await temporaryFolder();
  const copies = await Promise.all(
    Array.from({ length: COPIES }, (_, index) => copyModel(folder.file(`${index}`))),
  );
  const unharmed = await failuresOf(
    copies[0] ?? "",
    [...new Set(faults.map(({ tests }) => tests))],
    signal,
  );
  assert.equal(unharmed, [], "without a fault");
  const left = [...faults];
  const missed: string[] = [];
  const work = async (copy: string): Promise<void> => {
    for (let fault = left.shift(); fault; fault = left.shift()) {
      const failures = await failuresWith(fault, copy, signal);
      if (failures.includes(fault.foundBy)) continue;
      const { file, find, why, tests, foundBy } = fault;
      const found = failures.length === 0 ? "none fails" : `only "${failures.join('", "')}" fails`;
      missed.push(`${file}: "${find}": ${why}; "${foundBy}" of ${tests} does not see it: ${found}`);
    }
  };
  await Promise.all(copies.map(work));
  assert.equal(missed, []);
});

async function copyModel(copy: string): Promise<string> {
  for (const path of COPIED) await cp(join(ROOT, path), join(copy, path), { recursive: true });
  for (const file of ["package.json", "tsconfig.json"])
    await cp(join(ROOT, file), join(copy, file));
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  return copy;
}

/** @returns names of the tests that fail with a fault */
async function failuresWith(fault: Fault, copy: string, signal: AbortSignal): Promise<string[]> {
  const path = join(copy, "allocator-model", fault.file);
  const text = await readFile(path, "utf8");
  const count = text.split(fault.find).length - 1;
  assert.is(count, 1, `"${fault.find}" is ${count} times in ${fault.file}: write the fault anew`);
  await writeFile(
    path,
    text.replace(fault.find, () => fault.replacement),
  );
  try {
    return await failuresOf(copy, [fault.tests], signal);
  } finally {
    await writeFile(path, text);
  }
}

/** @returns names of the tests that fail */
function failuresOf(
  copy: string,
  tests: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const files = tests.map((name) => `${TESTS}/${name}.test.ts`);
  const args = ["--import", "tsx", "test/support/run.ts", ...files];
  const env = { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" };
  const options = { cwd: copy, env, signal, timeout: RUN_TIMEOUT_MS };
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      const failures = [...output.matchAll(/^ *FAIL .*?"(.*)"$/gm)].map(([, name = ""]) => name);
      const isWhole = /^\d+ passed, \d+ failed/m.test(output);
      if (isWhole && (error !== null) === failures.length > 0) resolve(failures);
      else resolve([`not run to the end: ${output.slice(0, OUTPUT_SHOWN)}`]);
    });
  });
}

test.run();
