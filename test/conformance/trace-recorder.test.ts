/** The recorder with real programs: C programs of which every request is known, and Node. */
import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import * as assert from "uvu/assert";
import { decodeTrace, encodeTrace } from "../../allocator-model/trace-file.ts";
import { compileC } from "../../host-tools/allocator/c-compiler.ts";
import {
  type Recording,
  type RecordOptions,
  recordProgram,
} from "../../host-tools/allocator/trace-recorder.ts";
import { HostError } from "../../host-tools/errors.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { traceText } from "../unit/allocator-model/trace-text.ts";

const test = suite("recorder of traces", { timeoutMs: 60_000 });
const hasCompiler = spawnSync("cc", ["--version"]).error === undefined;

function check(name: string, body: (context: { signal: AbortSignal }) => Promise<void>): void {
  if (hasCompiler) test(name, body);
  else test.skip("no C compiler installed", name);
}

const HEAD = `
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
`;

/** Records a C program; its main begins with a request of a size that nobody else has. */
async function recordC(text: string, options: Partial<RecordOptions> = {}): Promise<Recording> {
  await using folder = await temporaryFolder();
  const program = folder.file("program");
  const flags = ["-fno-builtin", "-pthread", "-w"];
  await compileC({ subject: "the test's program", text: `${HEAD}${text}`, flags }, program);
  return await recordProgram([program], { operationsMax: 100_000, output: "ignore", ...options });
}

/** From the request of 123457 bytes on, which is taken as the begin of main. */
function fromMark({ trace }: Recording): string[] {
  const lines = traceText(trace);
  const at = lines.findIndex((line) => line.endsWith(" 123457"));
  return lines.slice(at + 1);
}

/** Without ids, which depend on what the C library did before. */
function kindsAndSizes(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^(\w+) \d+/, "$1"));
}

check("every function of the allocator is recorded, with its size and alignment", async () => {
  const recording = await recordC(`
    int main(void) {
      void *aligned = NULL;
      malloc(123457);
      void *first = malloc(24);
      first = realloc(first, 200000);
      void *zeroed = calloc(3, 100);
      if (posix_memalign(&aligned, 64, 100) != 0) return 1;
      void *page = aligned_alloc(4096, 3000);
      void *old = memalign(32, 10);
      void *whole = valloc(5000);
      void *pages = pvalloc(5000);
      void *array = reallocarray(NULL, 10, 12);
      void *nothing = malloc(0);
      char *copy = strdup("hello");
      if (malloc((size_t)1 << 62) || calloc((size_t)1 << 62, 16) || realloc(old, (size_t)1 << 62))
        return 2;
      free(NULL);
      errno = 7;
      free(copy);
      if (errno != 7) return 3;
      free(nothing); free(array); free(pages); free(whole); free(old); free(page); free(aligned);
      free(zeroed);
      return realloc(first, 0) != NULL;
    }`);
  assert.is(recording.status, 0);
  const lines = fromMark(recording);
  assert.equal(kindsAndSizes(lines).slice(0, 11), [
    ...["malloc 24", "realloc 200000", "calloc 300", "malloc 100 @64", "malloc 3000 @4096"],
    ...["malloc 10 @32", "malloc 5000 @4096", "malloc 8192 @4096", "malloc 120", "malloc 0"],
    "malloc 6",
  ]);
  const ids = lines.slice(0, 11).map((line) => line.split(" ")[1]);
  const [, moved, ...others] = ids;
  const freed = [...others.reverse(), moved].map((id) => `free ${id}`);
  assert.equal(lines.slice(11), freed);
  assert.is(recording.losses.failedRequests, 3);
  assert.is(recording.losses.unknownAddresses, 0);
  assert.is(recording.trace.cpus, 1);
  assert.not(recording.isCut);
});

check("threads are told apart, and no two have the same object", async () => {
  const recording = await recordC(`
    static void *work(void *of) {
      for (int i = 0; i < 5000; i++) {
        void *object = malloc(32 + i % 200);
        object = realloc(object, 100 + i % 3000);
        free(object);
      }
      free(of);
      return malloc(7777);
    }
    int main(void) {
      pthread_t threads[4];
      malloc(123457);
      for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, malloc(50));
      for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        free(result);
      }
    }`);
  assert.is(recording.status, 0);
  const { trace, losses } = recording;
  assert.is(trace.cpus, 5);
  // Were records not in the order of uses, an address would be seen twice, or freed before it is there.
  assert.equal(Object.values(losses), [0, 0, 0, 0, 0]);
  const lines = fromMark(recording);
  const of = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
  assert.is(of(/^realloc .* on [1-4]$/), 20_000);
  assert.is(of(/^malloc .* 7777 on [1-4]$/), 4);
  assert.is(of(/^free \d+ on [1-4]$/), 20_004);
  assert.is(of(/^free \d+$/), 4);
  assert.equal(decodeTrace(encodeTrace(trace), trace.name), trace);
});

check(
  "a child's requests are not its parent's, whether it forks or runs another program",
  async () => {
    const recording = await recordC(`
    int main(void) {
      malloc(123457);
      if (fork() == 0) {
        for (int i = 0; i < 1000; i++) malloc(1000);
        _exit(0);
      }
      wait(NULL);
      if (fork() == 0) execlp("sort", "sort", "/dev/null", NULL);
      wait(NULL);
      malloc(7);
    }`);
    assert.is(recording.status, 0);
    assert.equal(kindsAndSizes(fromMark(recording)), ["malloc 7"]);
  },
);

check("a program that becomes another one is recorded from there on", async () => {
  const options = { operationsMax: 1000, output: "ignore" } as const;
  const { trace, status } = await recordProgram(["sh", "-c", "exec sort /dev/null"], options);
  const direct = await recordProgram(["sort", "/dev/null"], options);
  assert.is(status, 0);
  assert.is(trace.cpus, 1);
  assert.equal(traceText(trace).length, traceText(direct.trace).length);
});

check("a program that is killed leaves what it did until then", async () => {
  const recording = await recordC("int main(void) { malloc(123457); malloc(5); raise(SIGKILL); }");
  assert.is(recording.status, 137);
  assert.equal(kindsAndSizes(fromMark(recording)), ["malloc 5"]);
});

check("an interrupt asks the program to end, and its trace is there", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const started = folder.file("started");
  const interrupt = new AbortController();
  const watch = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted();
      if ((await readdir(folder.path)).length > 0) return interrupt.abort();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const [recording] = await Promise.all([
    recordC(
      `int main(void) { malloc(123457); malloc(6); close(open("${started}", O_CREAT, 0600)); pause(); }`,
      { signal: interrupt.signal },
    ),
    watch(),
  ]);
  assert.is(recording.status, 143);
  assert.equal(kindsAndSizes(fromMark(recording)), ["malloc 6"]);
});

check("a trace is as long as asked for, and says that there was more", async () => {
  const text = "int main(void) { for (int i = 0; i < 1000; i++) free(malloc(9)); return 0; }";
  const recording = await recordC(text, { operationsMax: 300 });
  assert.is(recording.trace.length, 300);
  assert.ok(recording.isCut);
  assert.is(recording.status, 0);
});

check("Node is recorded with its threads", async () => {
  const script = 'require("zlib").gzip("x".repeat(1e5), () => process.exit(3))';
  const argv = [process.execPath, "-e", script];
  const recording = await recordProgram(argv, {
    operationsMax: 2_000_000,
    output: "ignore",
    environment: { PATH: process.env["PATH"] },
  });
  assert.is(recording.status, 3);
  assert.ok(recording.trace.cpus > 3);
  assert.ok(recording.trace.length > 10_000);
  const { unseenFrees, unknownAddresses, skippedLines } = recording.losses;
  assert.equal([unseenFrees, unknownAddresses, skippedLines], [0, 0, 0]);
});

check("what cannot be recorded is said, and nothing is left in the temporary folder", async () => {
  const before = await remains();
  const refused = async (argv: readonly string[]): Promise<string> => {
    try {
      await recordProgram(argv, { operationsMax: 1000, output: "ignore" });
    } catch (error) {
      if (error instanceof HostError && error.code === "WL_RECORD_FAILED") return error.message;
      throw error;
    }
    throw new Error("recorded");
  };
  assert.match(await refused(["/nonexistent/program"]), "cannot be started: it is not there");
  await using folder = await temporaryFolder();
  const program = folder.file("static");
  const text = "int main(void) { return 0; }";
  await compileC({ subject: "the test's program", text, flags: ["-static"] }, program);
  assert.match(await refused([program]), "nothing that could be seen");
  assert.equal(await remains(), before);
});

check("the command writes a file that can be replayed, and ends as the program does", async () => {
  await using folder = await temporaryFolder();
  const file = folder.file("sort.wlat");
  const program = ["--", "sh", "-c", "echo out; exit 5"];
  const recorded = windlass("alloc", "record", "-o", file, ...program);
  assert.is(recorded.status, 5, recorded.stderr);
  assert.is(recorded.stdout, "out\n");
  assert.match(recorded.stderr, /^Recorded \d+ operations of 1 thread in .*sort\.wlat \(/);
  const replayed = windlass("alloc", "replay", file);
  assert.is(replayed.status, 0, replayed.stderr);
  assert.match(replayed.stdout, /^proposal +mempool/m);
  const nowhere = windlass("alloc", "record", "-o", folder.file("no/where"), ...program);
  assert.is(nowhere.status, 1);
  assert.is(nowhere.stdout, "");
  assert.match(nowhere.stderr, "error[WL_HOST_IO]: Cannot write");
  assert.equal(await readdir(folder.path), ["sort.wlat"]);
});

function windlass(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const main = resolve(import.meta.dirname, "../../host-tools/cli/main.ts");
  const words = ["--import", import.meta.resolve("tsx"), main, ...args];
  return spawnSync(process.execPath, words, { encoding: "utf8" });
}

async function remains(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith("windlass-record-")).sort();
}

test.run();
