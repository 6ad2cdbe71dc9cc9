/** Traces played with real allocators: what the kernel says that they took. */
import { readdir } from "node:fs/promises";
import * as assert from "uvu/assert";
import { type Trace, TraceBuilder } from "../../allocator-model/trace.ts";
import { workloads } from "../../allocator-model/workloads/workloads.ts";
import {
  buildNativeReplayer,
  type NativeFigures,
  type NativeReplayer,
} from "../../host-tools/allocator/native-replayer.ts";
import { findAllocator, realAllocatorNames } from "../../host-tools/allocator/real-allocators.ts";
import { HostError } from "../../host-tools/errors.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const MIB = 2 ** 20;
const COUNT = 100;

let replayer: NativeReplayer;
const test = suite("native replayer", {
  setup: async () => {
    replayer = await buildNativeReplayer();
  },
  teardown: () => replayer[Symbol.asyncDispose](),
});

/** As many objects of 1 MiB; all are freed when `isFreed`. */
function mebibytes(isFreed: boolean): Trace {
  const builder = new TraceBuilder();
  for (let id = 0; id < COUNT; id += 1) builder.malloc(id, MIB);
  if (isFreed) for (let id = 0; id < COUNT; id += 1) builder.free(id);
  return builder.build("mebibytes");
}

function isNear(bytes: number, expectedMib: number, toleranceMib: number): void {
  const isWithin = Math.abs(bytes / MIB - expectedMib) <= toleranceMib;
  assert.ok(isWithin, `${bytes / MIB} MiB, not ${expectedMib} within ${toleranceMib}`);
}

async function failure(work: Promise<unknown>): Promise<HostError> {
  const error = await work.then(
    () => assert.unreachable("it did not fail"),
    (caught) => caught,
  );
  assert.instance(error, HostError);
  return error as HostError;
}

for (const name of realAllocatorNames) {
  const found = await findAllocator(name);
  if (!found.isThere) {
    test.skip(`package ${found.package} is not installed`, `${name}`);
    continue;
  }
  const { library } = found;
  test(`${name}: a hundred objects of 1 MiB are a hundred MiB, and alive at the end`, async () => {
    const figures = await replayer.replay(mebibytes(false), { library });
    isNear(figures.peakBytes, COUNT, 8);
    isNear(figures.endBytes, COUNT, 8);
    assert.is(figures.requestedAtPeakBytes, COUNT * MIB);
    assert.ok(figures.usableAtPeakBytes >= COUNT * MIB);
    isNear(figures.usableAtPeakBytes, COUNT, 8);
    assert.ok(figures.elapsedMs > 0);
  });

  test(`${name}: all operations, alignments and threads of a trace are played`, async () => {
    const builder = new TraceBuilder();
    for (let id = 0; id < 1000; id += 1) builder.malloc(id, 100, id % 5);
    for (let id = 0; id < 1000; id += 1) builder.realloc(id, 1000, (id + 1) % 5);
    for (let id = 1000; id < 2000; id += 1) builder.calloc(id, 1000, id % 5);
    for (let id = 2000; id < 2100; id += 1) builder.malloc(id, 10_000, 0, 12);
    for (let id = 2100; id < 2110; id += 1) builder.malloc(id, 0);
    for (let id = 0; id < 2110; id += 1) builder.free(id, id % 5);
    const figures = await replayer.replay(builder.build("all operations"), { library });
    assert.is(figures.requestedAtPeakBytes, 3_000_000);
    assert.ok(figures.usableAtPeakBytes >= 3_000_000);
    assert.ok(figures.peakBytes > 2.9 * MIB && figures.peakBytes < 16 * MIB);
  });

  test(`${name}: a workload's footprint is more than was asked for, and not much more`, async () => {
    const trace = workloads["lifetimes-1-8k"]?.make({ scale: 0.25 }) as Trace;
    const figures: NativeFigures = await replayer.replay(trace, { library });
    assert.ok(figures.peakBytes > figures.requestedAtPeakBytes);
    assert.ok(figures.peakBytes < 5 * figures.requestedAtPeakBytes, JSON.stringify(figures));
  });
}

test("freed objects are no footprint with glibc, which unmaps large ones", async () => {
  const figures = await replayer.replay(mebibytes(true));
  isNear(figures.peakBytes, COUNT, 2);
  isNear(figures.endBytes, 0, 2);
});

test("a library that cannot be preloaded is an error, not glibc in its place", async () => {
  await using folder = await temporaryFolder();
  const library = folder.file("libnone.so");
  const error = await failure(replayer.replay(mebibytes(false), { library }));
  assert.is(error.code, "WL_REPLAY_FAILED");
  assert.match(error.message, /libnone\.so/);
});

test("an allocator that gives no memory is an error", async () => {
  const builder = new TraceBuilder();
  // An alignment that no address has.
  builder.malloc(0, 1, 0, 62);
  const error = await failure(replayer.replay(builder.build("impossible")));
  assert.is(error.code, "WL_REPLAY_FAILED");
  assert.match(
    error.message,
    'Cannot replay "impossible" with the C library\'s malloc: it gave no',
  );
});

/** What is done with other variables in the environment, which are as before afterwards. */
async function withVariables(
  variables: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    await work();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

test("nothing is left of it when it was disposed of", async () => {
  await using folder = await temporaryFolder();
  await withVariables({ TMPDIR: folder.path }, async () => {
    const own = await buildNativeReplayer();
    await own.replay(mebibytes(true));
    assert.is((await readdir(folder.path)).length, 1);
    await own[Symbol.asyncDispose]();
    assert.equal(await readdir(folder.path), []);
  });
});

test("a missing compiler is named with the command that installs it, and nothing is left", async () => {
  await using folder = await temporaryFolder();
  await withVariables({ TMPDIR: folder.path, PATH: "/nowhere" }, async () => {
    const error = await failure(buildNativeReplayer());
    assert.is(error.code, "WL_COMPILER_UNAVAILABLE");
    assert.match(error.message, 'there is no "cc"');
    assert.match(error.facts.next ?? "", "apt-get install gcc");
    assert.equal(await readdir(folder.path), []);
  });
});

test.run();
