import fc from "fast-check";
import * as assert from "uvu/assert";
import type { SchemeName } from "../../../allocator-model/address-layout.ts";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import { Heap } from "../../../allocator-model/heap.ts";
import { suite } from "../../support/suite.ts";

const test = suite("heap");

const SCHEMES: readonly SchemeName[] = ["offset-2013", "osv", "proposal"];

function heapOf(scheme: SchemeName, pageCount = 4096, cpus = 1): Heap {
  return new Heap({ scheme, pageCount, cpus });
}

function malloc(heap: Heap, size: number, alignment?: number): bigint {
  const address = heap.malloc(size, alignment === undefined ? {} : { alignment });
  if (address === undefined) throw new Error(`no memory for ${size}`);
  return address;
}

/** Bytes of memory per object, when as many are there as fit into the pages that the first one took. */
function footprint(scheme: SchemeName, size: number, alignment?: number): number {
  const heap = heapOf(scheme, 64);
  malloc(heap, size, alignment);
  const bytes = heap.footprintBytes;
  let count = 1;
  for (;;) {
    malloc(heap, size, alignment);
    if (heap.footprintBytes > bytes) return bytes / count;
    count += 1;
  }
}

test("usable sizes are those of OSv's tests/tst-realloc.cc", () => {
  const heap = heapOf("osv");
  const expected = [
    [1, 8],
    [67, 128],
    [0x4010, 0x4fc0],
    [0x10_0000, 0x10_0fc0],
    [0x20_0000, 0x20_0fc0],
  ] as const;
  for (const [size, usable] of expected) assert.is(heap.usableBytes(malloc(heap, size)), usable);
});

test("requests go where OSv's tests/tst-small-malloc.cc has them", () => {
  const heap = heapOf("osv");
  const small = [3, 4, 6, 7, 8, 9, 15, 16, 17, 32, 1024];
  for (const size of small) assert.is(heap.regionOf(malloc(heap, size)), "mempool", `${size}`);
  for (const [alignment, size] of [
    [16, 5],
    [16, 19],
    [32, 17],
    [1024, 255],
  ] as const) {
    assert.is(heap.regionOf(malloc(heap, size, alignment)), "mempool");
  }
  assert.is(heap.regionOf(malloc(heap, 1025)), "page");
  assert.is(heap.regionOf(malloc(heap, 1027, 2048)), "page");
});

test("objects are aligned as OSv's tests/tst-align.cc asks, under every scheme", () => {
  for (const scheme of SCHEMES) {
    for (let shift = 3; shift <= 14; shift += 1) {
      const s = 2 ** shift;
      const pairs = [
        [s, s],
        [s, 2 * s],
        [s, 10 * s],
        [1024, s],
        [s, s / 2],
        [s, 8],
      ] as const;
      for (const [alignment, size] of pairs) {
        // Larger alignments came with areas.
        if (scheme === "offset-2013" && alignment > 4096) continue;
        const heap = heapOf(scheme, 8192);
        for (let count = 0; count < 100; count += 1) {
          const address = malloc(heap, size, alignment);
          assert.is(address % BigInt(alignment), 0n, `${scheme} ${alignment} ${size}`);
        }
      }
    }
  }
});

test("an object takes what the table of the three schemes says", () => {
  const table: readonly (readonly [number, number, number, number])[] = [
    [64, 65, 65, 65],
    [1024, 1365.3, 1365.3, 1365.3],
    [1025, 4096, 4096, 2048],
    [2048, 4096, 4096, 2048],
    [2049, 8192, 4096, 4096],
    [4095, 8192, 4096, 4096],
    [4096, 8192, 4096, 4096],
    [4097, 12288, 8192, 8192],
    [8128, 12288, 8192, 8192],
    [8192, 12288, 12288, 12288],
  ];
  for (const [size, ...expected] of table) {
    const found = SCHEMES.map((scheme) => Math.round(footprint(scheme, size) * 10) / 10);
    assert.equal(found, expected, `${size} bytes`);
  }
});

test("problem 1: an object of a page takes two by its offset, one by its address", () => {
  assert.is(footprint("offset-2013", 4096), 2 * 4096);
  assert.is(footprint("proposal", 4096), 4096);
});

test("problem 2: more than half a page cannot be aligned to a page but as a large object", () => {
  for (const size of [2049, 3000, 4000, 4096]) {
    for (const alignment of [8, 64, 1024, 4096]) {
      assert.is(footprint("offset-2013", size, alignment), 2 * 4096);
      assert.is(footprint("proposal", size, alignment), 4096);
    }
  }
});

test("problem 3: a large object's header takes a page by its offset, 64 bytes by its address", () => {
  assert.is(footprint("offset-2013", 3 * 4096 - 64), 4 * 4096);
  assert.is(footprint("proposal", 3 * 4096 - 64), 3 * 4096);
});

test("by its offset, the inside of a large object is a large object; by its address it is none of a page", () => {
  const old = heapOf("offset-2013");
  const large = malloc(old, 3 * 4096);
  assert.is(old.regionOf(large + 4096n), "large");
  const proposal = heapOf("proposal");
  assert.is(proposal.regionOf(malloc(proposal, 4096)), "page");
  assert.is(proposal.regionOf(malloc(proposal, 2000)), "half-page");
  assert.is(proposal.regionOf(malloc(proposal, 5000)), "large");
});

test("before the CPUs are up small objects are early ones, and are told from others ever after", () => {
  for (const scheme of SCHEMES) {
    const heap = new Heap({ scheme, pageCount: 64, isBooting: true });
    const early = [5, 100, 1000].map((bytes) => malloc(heap, bytes));
    const large = malloc(heap, 20_000);
    heap.startCpus();
    const small = malloc(heap, 100);
    assert.equal(
      early.map((address) => heap.regionOf(address)),
      ["early", "early", "early"],
    );
    assert.equal(
      [large, small].map((address) => heap.regionOf(address)),
      ["large", "mempool"],
    );
    const pages = heap.footprintBytes / 4096;
    for (const address of early) heap.free(address);
    // A page for each by their offset; one for all by their address.
    assert.is(pages - heap.footprintBytes / 4096, scheme === "offset-2013" ? 3 : 1, scheme);
  }
});

test("what is no object is refused", () => {
  const heap = heapOf("proposal", 16);
  for (const address of [0n, 0xffff_f000_0000_0000n, 0xffff_9000_0100_0000n, 1n << 60n]) {
    assert.throws(
      () => heap.free(address),
      (error: unknown) => error instanceof AllocatorError && error.code === "WL_ALLOC_ADDRESS",
    );
  }
  for (const [size, alignment] of [
    [-1, 8],
    [8, 0],
    [8, 24],
    [1.5, 8],
  ] as const) {
    assert.throws(
      () => heap.malloc(size, { alignment }),
      (error: unknown) => error instanceof AllocatorError && error.code === "WL_ALLOC_RANGE",
    );
  }
  assert.is(heap.malloc(17 * 4096), undefined);
});

const size = fc.oneof(
  fc.integer({ min: 0, max: 64 }),
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 4000, max: 40_000 }),
);
const cpu = fc.nat({ max: 1 });
const command = fc.oneof(
  fc.record({
    kind: fc.constant("malloc" as const),
    cpu,
    size,
    shift: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("free" as const), cpu, which: fc.nat() }),
);

test("random requests on two CPUs: no byte twice, none changed, aligned, all pages come back", () => {
  for (const scheme of SCHEMES) {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
        const heap = heapOf(scheme, 128, 2);
        const { bytes } = heap.memory;
        const live: { address: bigint; at: number; size: number; mark: number }[] = [];
        for (const [index, one] of commands.entries()) {
          if (one.kind === "free") {
            const [object] = live.splice(one.which % Math.max(live.length, 1), 1);
            if (!object) continue;
            const content = bytes.subarray(object.at, object.at + object.size);
            assert.ok(content.every((byte) => byte === object.mark));
            heap.free(object.address, { cpu: one.cpu });
            continue;
          }
          const alignment = one.shift === undefined ? undefined : 2 ** one.shift;
          const request = { cpu: one.cpu, ...(alignment !== undefined && { alignment }) };
          const address = heap.malloc(one.size, request);
          if (address === undefined) continue;
          assert.is(address % BigInt(alignment ?? 1), 0n);
          const usable = heap.usableBytes(address);
          assert.ok(usable >= one.size, `${usable} bytes are usable, not ${one.size}`);
          const at = Number(address & ((1n << 44n) - 1n));
          assert.ok(live.every((other) => at >= other.at + other.size || at + usable <= other.at));
          const mark = index % 251;
          bytes.fill(mark, at, at + usable);
          live.push({ address, at, size: usable, mark });
        }
        for (const { address } of live) heap.free(address);
        heap.collect(0);
        heap.collect(1);
        assert.equal(heap.ranges.violations(), []);
        // Each CPU may keep empty pages of small objects: nothing else is left.
        assert.ok(heap.footprintBytes <= 2 * 9 * 2 * 4096);
      }),
      { numRuns: 60 },
    );
  }
});

test.run();
