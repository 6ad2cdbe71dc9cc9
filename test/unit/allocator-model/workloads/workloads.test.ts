import * as assert from "uvu/assert";
import { CALLOC, FREE, MALLOC, REALLOC, type Trace } from "../../../../allocator-model/trace.ts";
import { sizesOfCall } from "../../../../allocator-model/workloads/sh6bench.ts";
import { workloads } from "../../../../allocator-model/workloads/workloads.ts";
import { XMALLOC_SIZES } from "../../../../allocator-model/workloads/xmalloc.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("workloads");

const SMALL = { scale: 0.1 };

function make(name: string, options: { scale?: number; seed?: number } = SMALL): Trace {
  const workload = workloads[name];
  if (!workload) throw new Error(`no workload ${name}`);
  return workload.make(options);
}

interface Figures {
  /** Of all objects, in order. */
  readonly sizes: readonly number[];
  readonly mostAlive: number;
  readonly aliveAtEnd: number;
  /** Of the objects that were freed, those that another CPU had allocated. */
  readonly freedElsewhere: number;
}

/** Plays a trace with nothing but a list of who is alive. Throws when a program could not have made it. */
function figuresOf(trace: Trace): Figures {
  const alive = new Map<number, number>();
  const sizes: number[] = [];
  let mostAlive = 0;
  let freedElsewhere = 0;
  for (let at = 0; at < trace.length; at += 1) {
    const [operation, id = -1, cpu = -1] = [trace.operations[at], trace.ids[at], trace.cpuOf[at]];
    assert.ok(cpu >= 0 && cpu < trace.cpus, `CPU of operation ${at}`);
    if (operation === MALLOC || operation === CALLOC) {
      assert.not(alive.has(id), `operation ${at}: object ${id} is alive`);
      alive.set(id, cpu);
      sizes.push(trace.sizes[at] ?? 0);
      mostAlive = Math.max(mostAlive, alive.size);
    } else {
      assert.ok(operation === FREE || operation === REALLOC, `operation ${at}`);
      assert.ok(alive.has(id), `operation ${at}: object ${id} is not alive`);
      if (operation === FREE) {
        if (alive.get(id) !== cpu) freedElsewhere += 1;
        alive.delete(id);
      }
    }
  }
  return { sizes, mostAlive, aliveAtEnd: alive.size, freedElsewhere };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function shareOf(values: readonly number[], is: (value: number) => boolean): number {
  return values.filter(is).length / values.length;
}

function near(actual: number, expected: number, tolerance: number): void {
  const isNear = Math.abs(actual - expected) <= tolerance * expected;
  assert.ok(isNear, `${actual} is not within ${tolerance * 100} % of ${expected}`);
}

for (const name of Object.keys(workloads)) {
  test(`${name} is what a program could do, and has its name`, () => {
    const trace = make(name);
    assert.is(trace.name, name);
    const { sizes, aliveAtEnd } = figuresOf(trace);
    assert.ok(sizes.length > 100, `${sizes.length} objects`);
    assert.ok(sizes.every((size) => size > 0));
    assert.ok(
      trace.ids.every((id) => id < sizes.length),
      "ids are used again",
    );
    if (name !== "larson") assert.is(aliveAtEnd, 0);
  });

  test(`${name} is the same again with the same options, and another with another seed`, () => {
    const first = make(name);
    assert.equal(make(name), first);
    const other = make(name, { ...SMALL, seed: 2 });
    assert.ok(Buffer.compare(bytesOf(other), bytesOf(first)) !== 0);
  });

  test(`${name} is larger at a larger scale`, () => {
    assert.ok(make(name).length > make(name, { scale: 0.02 }).length);
  });
}

function bytesOf({ ids, sizes, cpuOf }: Trace): Buffer {
  return Buffer.concat([ids, sizes, cpuOf].map((column) => Buffer.from(column.buffer)));
}

test("larson: 20 000 blocks of 8 to 999 bytes, all equally likely, handed between threads", () => {
  const { sizes, mostAlive, aliveAtEnd, freedElsewhere } = figuresOf(make("larson", {}));
  assert.is(mostAlive, 20_000);
  assert.is(aliveAtEnd, 20_000);
  assert.is(Math.min(...sizes.slice(0, 20_000)), 8);
  assert.is(Math.max(...sizes.slice(0, 20_000)), 999);
  near(mean(sizes), 503.5, 0.01);
  near(
    shareOf(sizes, (size) => size < 256),
    0.25,
    0.02,
  );
  assert.ok(freedElsewhere > 20_000, `${freedElsewhere}`);
});

test("xmalloc: what one thread allocates another frees, sizes as published", () => {
  const only64 = figuresOf(make("xmalloc-64", {}));
  const objects = only64.sizes.filter((size) => size === 64);
  assert.is(objects.length, 40 * 4096);
  // Tables of 4096 pointers and a link, one a batch.
  assert.equal(
    only64.sizes.filter((size) => size !== 64),
    new Array(40).fill(32_776),
  );
  assert.is(only64.freedElsewhere, only64.sizes.length);
  const mix = figuresOf(make("xmalloc-mix", {})).sizes.filter((size) => size !== 32_776);
  assert.is(XMALLOC_SIZES.length, 17);
  for (const size of XMALLOC_SIZES)
    near(
      shareOf(mix, (one) => one === size),
      1 / 17,
      0.05,
    );
});

test("sh6bench: 19 300 objects a call, small ones more often", () => {
  const call = [...sizesOfCall()];
  assert.is(call.length, 19_300);
  assert.is(Math.max(...call), 709);
  assert.equal(call.slice(0, 1250), [
    ...new Array(250).fill(1),
    ...new Array(250).fill(2),
    ...new Array(250).fill(1),
    ...new Array(250).fill(4),
    ...new Array(250).fill(2),
  ]);
  const { sizes, mostAlive, freedElsewhere } = figuresOf(make("sh6bench", {}));
  assert.is(sizes.length, 4 * 3 * 19_300);
  near(mean(sizes), mean(call), 1e-9);
  assert.ok(mostAlive <= 40_004, `${mostAlive}: tables of 10 000 in four threads`);
  assert.is(freedElsewhere, 0);
});

test("mstress: words in powers of two, two of a hundred much longer, some freed elsewhere", () => {
  const { sizes, freedElsewhere } = figuresOf(make("mstress", {}));
  const objects = sizes.filter((size) => size !== 800_000);
  assert.ok(objects.every((size) => size % 8 === 0));
  const isPlain = (size: number): boolean => size <= 512 && Number.isInteger(Math.log2(size));
  near(shareOf(objects, isPlain), 0.98, 0.005);
  // Two of three come and go, with five sizes; one is retained, with seven.
  near(
    shareOf(objects, (size) => size === 512),
    (0.98 * 1) / 21,
    0.1,
  );
  near(
    shareOf(objects, (size) => size === 8),
    0.98 * (2 / 15 + 1 / 21),
    0.1,
  );
  assert.ok(freedElsewhere > sizes.length / 100, `${freedElsewhere}`);
});

test("network buffers: as many of 2048 bytes as headers of 256, and the rings", () => {
  const { sizes, freedElsewhere } = figuresOf(make("network-buffers", {}));
  assert.is(sizes.filter((size) => size === 256).length, 80_000);
  assert.is(sizes.filter((size) => size === 2048).length, 80_000 + 2 * 256);
  assert.is(sizes.length, 160_512);
  assert.ok(freedElsewhere > 80_000, `${freedElsewhere}`);
});

test("page cache: pages with an entry each, never more than the cache holds", () => {
  const { sizes, mostAlive } = figuresOf(make("page-cache", {}));
  near(
    shareOf(sizes, (size) => size === 4096),
    0.5,
    1e-9,
  );
  near(
    shareOf(sizes, (size) => size === 64),
    0.5,
    1e-9,
  );
  assert.is(mostAlive, 2 * 4096);
});

test("1 to 8 KiB: sizes are uniform in one, a third for each power of two in the other", () => {
  const uniform = figuresOf(make("uniform-1-8k", {}));
  near(mean(uniform.sizes), (1024 + 8192) / 2, 0.01);
  near(
    shareOf(uniform.sizes, (size) => size > 4096),
    4 / 7,
    0.03,
  );
  const lifetimes = figuresOf(make("lifetimes-1-8k", {}));
  for (const [low, high] of [
    [1024, 2048],
    [2048, 4096],
    [4096, 8192],
  ] as const) {
    near(
      shareOf(lifetimes.sizes, (size) => size >= low && size < high),
      1 / 3,
      0.02,
    );
  }
  for (const { sizes, freedElsewhere } of [uniform, lifetimes]) {
    assert.ok(sizes.every((size) => size >= 1024 && size <= 8192));
    near(freedElsewhere / sizes.length, 1 / 8, 0.1);
  }
});

test.run();
