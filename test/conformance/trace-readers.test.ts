/** Our readers with what the tools of this host write of a program of which every request is known. */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { readTrace } from "../../allocator-model/trace-reader.ts";
import { compileC } from "../../host-tools/allocator/c-compiler.ts";
import { suite } from "../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";
import { traceText } from "../unit/allocator-model/trace-text.ts";

const test = suite("tools that trace", { timeoutMs: 60_000 });
const hasCompiler = spawnSync("cc", ["--version"]).error === undefined;
const hasLtrace = spawnSync("ltrace", ["--version"]).error === undefined;

const PROGRAM = `
#include <mcheck.h>
#include <stdlib.h>
int main(void) {
  if (getenv("MALLOC_TRACE")) mtrace();
  void *first = malloc(24);
  void *second = calloc(3, 100);
  first = realloc(first, 200000);
  free(second);
  second = malloc(7);
  free(first);
  free(second);
  return 0;
}
`;
const EXPECTED = [
  ...["malloc 0 24", "calloc 1 300", "realloc 0 200000", "free 1", "malloc 1 7", "free 0"],
  "free 1",
];

async function programIn(folder: TemporaryFolder): Promise<string> {
  const program = folder.file("program");
  const flags = ["-fno-builtin", "-w"];
  await compileC({ subject: "the test's program", text: PROGRAM, flags }, program);
  return program;
}

async function mtrace(): Promise<void> {
  await using folder = await temporaryFolder();
  const program = await programIn(folder);
  const file = folder.file("mtrace.txt");
  const env = { MALLOC_TRACE: file, LD_PRELOAD: "libc_malloc_debug.so.0" };
  const { status } = spawnSync(program, { env });
  assert.is(status, 0);
  const { trace, losses } = readTrace(await readFile(file), "mtrace");
  // It does not tell calloc from malloc.
  assert.equal(
    traceText(trace),
    EXPECTED.map((line) => line.replace("calloc", "malloc")),
  );
  assert.equal(Object.values(losses), [0, 0, 0, 0, 0]);
}

async function ltrace(): Promise<void> {
  await using folder = await temporaryFolder();
  const program = await programIn(folder);
  const file = folder.file("ltrace.txt");
  const events = "malloc+free+calloc+realloc+posix_memalign+aligned_alloc";
  const { status } = spawnSync("ltrace", ["-f", "-e", events, "-o", file, program]);
  assert.is(status, 0);
  const { trace, losses } = readTrace(await readFile(file), "ltrace");
  assert.equal(traceText(trace), EXPECTED);
  assert.equal(Object.values(losses), [0, 0, 0, 0, 0]);
}

const MTRACE = "reads what glibc's mtrace writes";
if (hasCompiler) test(MTRACE, mtrace);
else test.skip("no C compiler installed", MTRACE);

const LTRACE = "reads what ltrace writes";
if (hasCompiler && hasLtrace) test(LTRACE, ltrace);
else test.skip(hasCompiler ? "ltrace not installed" : "no C compiler installed", LTRACE);

test.run();
