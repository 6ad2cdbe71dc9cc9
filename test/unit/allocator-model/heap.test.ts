import * as assert from "uvu/assert";
import { translateAddress } from "../../../allocator-model/address.ts";
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

test("an early object has the size that was asked for, and is freed even if that was 0", () => {
  for (const scheme of ["osv", "proposal"] as const) {
    const heap = new Heap({ scheme, pageCount: 64, isBooting: true });
    const objects = [0, 1, 7, 300].map((bytes) => malloc(heap, bytes));
    assert.equal(
      objects.map((address) => heap.usableBytes(address)),
      [1, 1, 7, 300],
    );
    assert.is(new Set(objects).size, 4);
    for (const address of objects) heap.free(address);
    assert.is(heap.footprintBytes, 0);
  }
});

test("a page of early objects goes past the pools, which are those of other threads", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 64, cpus: 2, isBooting: true });
  const early = Array.from({ length: 6 }, () => malloc(heap, 1000));
  // What a thread has that is CPU 1.
  const other = Heap.attach(heap.share());
  early.push(...Array.from({ length: 6 }, () => malloc(other, 1000)));
  assert.is(heap.footprintBytes, 3 * 4096, "both fill the same page");
  for (const one of [heap, other]) one.startCpus();
  heap.free(malloc(heap, 4096));
  const { cachedPages } = heap.core.pools ?? { cachedPages: -1 };
  for (const address of early) other.free(address, { cpu: 1 });
  assert.is(heap.core.pools?.cachedPages, cachedPages);
  assert.is(heap.footprintBytes, 0);
  assert.equal(heap.checkInvariants(), []);
});

test("what is no object is refused", () => {
  const heap = heapOf("proposal", 16);
  for (const address of [0xffff_f000_0000_0000n, 0xffff_9000_0100_0000n, 1n << 60n]) {
    assert.throws(
      () => heap.free(address),
      (error: unknown) => error instanceof AllocatorError && error.code === "WL_ALLOC_ADDRESS",
    );
  }
  assert.is(heap.malloc(-1), undefined);
  for (const [size, alignment] of [
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

test("the family of malloc(3) does what its manual pages say", () => {
  for (const scheme of SCHEMES) {
    const heap = heapOf(scheme, 256);
    const first = malloc(heap, 40);
    heap.view(first, 40).fill(7);
    const moved = heap.realloc(first, 5000) ?? 0n;
    assert.equal([...heap.view(moved, 40)], Array(40).fill(7), "contents are kept");
    heap.view(moved, 5000).fill(9);
    const shrunk = heap.realloc(moved, 16) ?? 0n;
    assert.equal([...heap.view(shrunk, 16)], Array(16).fill(9), "as far as there is room");
    assert.is(heap.realloc(shrunk, 0), undefined, "a size of 0 frees");
    assert.is.not(heap.realloc(undefined, 0), undefined, "tst-realloc.cc: of null it allocates");
    const zeroed = heap.calloc(10, 4) ?? 0n;
    assert.ok(heap.view(zeroed, 40).every((byte) => byte === 0));
    assert.is(heap.calloc(2 ** 33, 2 ** 33), undefined, "the product overflows");
    const none = [heap.malloc(0), heap.calloc(0, 8)];
    assert.is(new Set(none).size, 2, "objects of no bytes are different objects");
    assert.is(heap.calloc(-2, -8), undefined);
    assert.throws(() => heap.calloc(0.5, 16), /no 0.5 objects/);
    assert.is((heap.alignedAlloc(512, 100) ?? 1n) % 512n, 0n);
    assert.is(heap.posixMemalign(16, -1), "ENOMEM");
    assert.is(heap.posixMemalign(24, 8), "EINVAL");
    assert.is(heap.posixMemalign(0, 8), "EINVAL");
    assert.is(heap.posixMemalign(64, 2 ** 40), "ENOMEM");
    assert.is((heap.posixMemalign(512, 8) as bigint) % 512n, 0n);
    assert.is(heap.realloc(none[0], 2 ** 40), undefined);
    assert.ok(heap.usableBytes(none[0] ?? 0n) > 0, "without memory the object stays");
    heap.free(undefined);
    heap.free(0n);
    assert.equal(heap.checkInvariants(), []);
  }
});

test("all areas that map memory show the same bytes", () => {
  for (const scheme of ["osv", "proposal"] as const) {
    const heap = heapOf(scheme);
    const address = malloc(heap, 3000);
    heap.view(address, 4).set([1, 2, 3, 4]);
    const { areas } = heap.layout;
    const aliases = [...areas.keys()].filter((area) => areas[area]?.mapping === "identity");
    for (const area of aliases) {
      const alias = translateAddress(heap.layout, address, area);
      assert.equal([...heap.view(alias, 4)], [1, 2, 3, 4], `${scheme} ${area}`);
    }
  }
});

test("half pages are for exactly half a page, if that is asked", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 64, halfPages: "exact" });
  assert.is(heap.regionOf(malloc(heap, 2048)), "half-page");
  assert.is(heap.regionOf(malloc(heap, 2047)), "page");
});

test("with headers beside the memory, large objects of whole pages take just these", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 256, largeHeader: "out-of-band" });
  const before = heap.footprintBytes;
  const address = malloc(heap, 8192);
  assert.is(heap.footprintBytes - before, 8192);
  assert.is(heap.usableBytes(address), 8192);
  const aligned = malloc(heap, 8192, 65_536);
  assert.is(aligned % 65_536n, 0n);
  heap.free(address);
  heap.free(aligned);
  assert.is(heap.footprintBytes, before);
  assert.equal(heap.checkInvariants(), []);
});

test("when pages run out in the middle of a batch, none of it is lost, and what is left is used", () => {
  for (const scheme of SCHEMES) {
    const heap = heapOf(scheme, 64);
    // The third page of the first batch.
    heap.failPageAllocations(3);
    const address = malloc(heap, 100);
    assert.equal(heap.checkInvariants(), []);
    heap.failPageAllocations(1, Number.POSITIVE_INFINITY);
    assert.is(heap.malloc(20_000), undefined);
    assert.equal(heap.checkInvariants(), []);
    heap.failPageAllocations(Number.POSITIVE_INFINITY);
    heap.free(malloc(heap, 20_000));
    heap.free(address);
    assert.equal(heap.checkInvariants(), []);
  }
});

test("by steps, batches that no CPU needs go back to the ranges", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 512, cpus: 2, background: "by-steps" });
  const pages = Array.from({ length: 200 }, () => malloc(heap, 4096));
  for (const address of pages) heap.free(address);
  const kept: bigint[] = [];
  while (heap.core.pools?.isDue(0)) kept.push(malloc(heap, 4096));
  const { freePages } = heap.ranges;
  assert.is(heap.step(0), true);
  assert.ok(heap.ranges.freePages > freePages);
  assert.is(heap.step(0), false);
  for (const address of kept) heap.free(address);
  assert.equal(heap.checkInvariants(), []);
});

test("an object that another CPU has freed is found before memory counts as full", () => {
  for (const [scheme, size] of [
    ["osv", 1024],
    ["proposal", 1024],
    ["proposal", 2048],
  ] as const) {
    const heap = new Heap({ scheme, pageCount: 4, cpus: 2, background: "by-steps" });
    const all: bigint[] = [];
    for (let one = heap.malloc(size); one !== undefined; one = heap.malloc(size)) all.push(one);
    heap.free(all[5], { cpu: 1 });
    assert.is(heap.malloc(size), all[5], `${scheme} ${size}`);
    assert.is(heap.malloc(size), undefined);
  }
});

test("page pools that do not fit their batches are refused", () => {
  for (const pools of [
    { l1Pages: 16, batchPages: 16 },
    { l1Pages: 0, batchPages: 4 },
    { l1Pages: 16, batchPages: 0 },
  ]) {
    assert.throws(() => new Heap({ scheme: "osv", pageCount: 64, pools }), /four batches/);
  }
});

test("by steps, what others freed waits for its owner, and is found when memory runs out", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 64, cpus: 2, background: "by-steps" });
  const objects = Array.from({ length: 300 }, () => malloc(heap, 64));
  for (const address of objects) heap.free(address, { cpu: 1 });
  assert.is(heap.step(0), true, "257 were pushed: it was told");
  const more = Array.from({ length: 10 }, () => malloc(heap, 64));
  for (const address of more) heap.free(address, { cpu: 1 });
  while (heap.step(0)) assert.equal(heap.checkInvariants(), []);
  const all: bigint[] = [];
  for (let one = heap.malloc(4096); one !== undefined; one = heap.malloc(4096)) all.push(one);
  // An empty page is kept for small objects.
  assert.ok(all.length >= 62, `${all.length} pages`);
  for (const address of all) heap.free(address, { cpu: 1 });
  assert.equal(heap.checkInvariants(), []);
});

test.run();
