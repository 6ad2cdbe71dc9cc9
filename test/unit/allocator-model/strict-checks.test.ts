import fc from "fast-check";
import * as assert from "uvu/assert";
import type { SchemeName } from "../../../allocator-model/address-layout.ts";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import type { BadPointerKind } from "../../../allocator-model/bad-pointer.ts";
import { Heap, type HeapOptions } from "../../../allocator-model/heap.ts";
import { suite } from "../../support/suite.ts";

const test = suite("strict mode");

const SCHEMES: readonly SchemeName[] = ["offset-2013", "osv", "proposal"];
const AREA = 1n << 44n;
const BASE = 0xffff_8000_0000_0000n;

function strictHeap(scheme: SchemeName = "proposal", options: Partial<HeapOptions> = {}): Heap {
  return new Heap({ scheme, pageCount: 64, pools: "none", strict: true, ...options });
}

function malloc(heap: Heap, size: number, alignment?: number): bigint {
  const address = heap.malloc(size, alignment === undefined ? {} : { alignment });
  if (address === undefined) throw new Error(`no memory for ${size}`);
  return address;
}

function errorOf(call: () => unknown): AllocatorError {
  try {
    call();
  } catch (error) {
    if (error instanceof AllocatorError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function kindOf(call: () => unknown): BadPointerKind | undefined {
  return errorOf(call).facts.pointer?.kind;
}

test("an address without an allocator: not canonical, of a program, reserved, the debug area, behind memory", () => {
  const heap = strictHeap();
  const cases = [
    [1n << 60n, "area", /canonical/],
    [0x40_0000n, "area", /applications/],
    [BASE + 4n * AREA + 4096n, "area", /reserved/],
    [BASE + 7n * AREA + 4096n, "area", /debug/],
    [BASE + 64n * 4096n, "range", /memory ends at physical address 0x40000/],
  ] as const;
  for (const [address, kind, text] of cases) {
    for (const call of [() => heap.free(address), () => heap.usableBytes(address)]) {
      const error = errorOf(call);
      assert.is(error.code, "WL_ALLOC_POINTER");
      assert.is(error.facts.pointer?.kind, kind);
      assert.match(error.message, text);
      assert.ok(error.message.includes(`"0x${address.toString(16)}"`));
      assert.ok((error.facts.next ?? "").length > 10);
    }
  }
});

test("inside of an object of any region: told with the object that it is in", () => {
  for (const size of [8, 100, 1024, 2000, 2048, 3000, 4096, 5000, 100_000]) {
    const heap = strictHeap("proposal", { pageCount: 128 });
    malloc(heap, size);
    const address = malloc(heap, size);
    malloc(heap, size);
    for (const distance of [1, Math.floor(size / 2), size - 1]) {
      const error = errorOf(() => heap.free(address + BigInt(distance)));
      assert.is(error.code, "WL_ALLOC_POINTER", `${size}+${distance}`);
      assert.equal(
        [error.facts.pointer?.kind, error.facts.pointer?.begin, error.facts.pointer?.size],
        ["interior", address, size],
      );
      assert.ok(error.message.includes(`0x${address.toString(16)}`));
    }
    heap.free(address);
  }
});

test("where no object of the region can begin", () => {
  const heap = strictHeap();
  const small = malloc(heap, 64) & ~0xfffn;
  const large = malloc(heap, 5000);
  const cases = [
    [small, /header/],
    [small + 39n, /header/],
    [small + 4096n - 63n, /multiples/],
    [BASE + AREA + 0x30_010n, /page/],
    [BASE + 2n * AREA + 0x30_400n, /half/],
    [large - 1n, /1 bytes before the object/],
    [large & ~0xfffn, /64 bytes before the object/],
  ] as const;
  for (const [address, text] of cases) {
    const error = errorOf(() => heap.free(address));
    assert.is(error.facts.pointer?.kind, "interior", error.message);
    assert.match(error.message, text);
  }
});

test("a double free is one, whether its page is there still, is free, or is another region's", () => {
  for (const size of [8, 1024, 2048, 4096, 5000]) {
    const heap = strictHeap();
    const [one, other] = [malloc(heap, size), malloc(heap, size)];
    heap.free(one);
    assert.is(errorOf(() => heap.free(one)).code, "WL_ALLOC_DOUBLE_FREE", `${size}`);
    assert.is(errorOf(() => heap.usableBytes(one)).code, "WL_ALLOC_USE_AFTER_FREE");
    assert.is(errorOf(() => heap.realloc(one, 10)).code, "WL_ALLOC_USE_AFTER_FREE");
    heap.free(other);
    assert.is(errorOf(() => heap.free(other)).code, "WL_ALLOC_DOUBLE_FREE");
  }
  const heap = strictHeap();
  const page = malloc(heap, 4096);
  heap.free(page);
  const half = malloc(heap, 2048);
  assert.is(page % AREA, half % AREA);
  assert.is(errorOf(() => heap.free(page)).code, "WL_ALLOC_WRONG_REGION");
  malloc(heap, 2048);
  heap.free(half);
  assert.match(errorOf(() => heap.free(page)).message, /region half-page now/);
});

test("what another CPU freed is free for everybody, before its owner has collected it", () => {
  const heap = strictHeap("proposal", { cpus: 2, background: "by-steps" });
  for (const size of [8, 2048]) {
    const address = malloc(heap, size);
    heap.free(address, { cpu: 1 });
    for (const cpu of [0, 1]) {
      assert.is(
        kindOf(() => heap.free(address, { cpu })),
        "double-free",
      );
    }
    assert.equal(heap.checkInvariants(), []);
  }
});

test("the right memory through the area of another region", () => {
  const heap = strictHeap();
  const objects = [64, 2048, 4096, 5000].map((size) => malloc(heap, size));
  for (const address of objects) {
    for (const area of [0n, 1n, 2n, 3n, 6n]) {
      const alias = BASE + area * AREA + (address % AREA);
      if (alias === address) continue;
      const error = errorOf(() => heap.free(alias));
      assert.is(error.code, "WL_ALLOC_WRONG_REGION", error.message);
      assert.is(error.facts.pointer?.begin, address);
      // Reading is another matter: it is the same memory.
      assert.equal(heap.read(alias, 8), heap.read(address, 8));
    }
    heap.free(address);
  }
});

test("a byte behind what was asked for is found by free, and the object stays for a look", () => {
  for (const scheme of SCHEMES) {
    for (const [size, byte] of [
      [0, 1],
      [5, 5],
      [100, 127],
      [1030, 1030],
      [3000, 4095],
      [5000, 5000],
    ] as const) {
      const heap = strictHeap(scheme);
      const address = malloc(heap, size);
      heap.view(address + BigInt(byte), 1).fill(1);
      const error = errorOf(() => heap.free(address));
      assert.is(error.code, "WL_ALLOC_OVERRUN", `${scheme} ${size}`);
      assert.match(error.message, new RegExp(`byte ${byte} of the object of ${Math.max(size, 1)}`));
      assert.is(heap.checkInvariants().length, 1);
      heap.view(address + BigInt(byte), 1).fill(0x24);
      heap.free(address);
    }
  }
});

test("a header that was overwritten is found before it is followed", () => {
  const heap = strictHeap();
  const [small, large] = [malloc(heap, 64), malloc(heap, 5000)];
  for (const address of [small, large]) {
    const header = heap.view((address - 1n) & ~0xfffn, 4);
    const was = header.slice();
    header.fill(7);
    const error = errorOf(() => heap.free(address));
    assert.equal([error.code, error.facts.pointer?.kind], ["WL_ALLOC_POINTER", "corrupt-header"]);
    assert.match(error.facts.next ?? "", /writes before/);
    header.set(was);
    heap.free(address);
  }
  // OSv's areas do not tell an early object from a small one: the header's first word does.
  const osv = strictHeap("osv");
  const address = malloc(osv, 64);
  osv.view(address & ~0xfffn, 4).fill(0);
  assert.is(
    kindOf(() => osv.free(address)),
    "corrupt-header",
  );
});

test("before areas, a page inside of a large object passed for one; strict mode knows better", () => {
  const heap = strictHeap("offset-2013");
  const large = malloc(heap, 3 * 4096);
  assert.is(heap.regionOf(large + 4096n), "large");
  const error = errorOf(() => heap.free(large + 4096n));
  assert.equal([error.facts.pointer?.kind, error.facts.pointer?.begin], ["interior", large]);
});

test("early objects: each in its place, whatever their alignment", () => {
  for (const scheme of SCHEMES) {
    const heap = strictHeap(scheme, { isBooting: true });
    const objects = [2, 3, 8, 100, 2000].map((size) => malloc(heap, size));
    heap.startCpus();
    assert.equal(heap.checkInvariants(), []);
    for (const address of objects) {
      assert.is(
        kindOf(() => heap.free(address + 1n)),
        "interior",
        scheme,
      );
    }
    for (const address of objects) {
      heap.free(address);
      assert.is(
        kindOf(() => heap.free(address)),
        "double-free",
        scheme,
      );
    }
    assert.is(heap.footprintBytes, 0);
  }
});

test("reads and writes are those of one object, and within what was asked for", () => {
  const heap = strictHeap();
  const address = malloc(heap, 100);
  heap.write(address, new Uint8Array(100).fill(7));
  assert.equal(heap.read(address + 50n, 50), new Uint8Array(50).fill(7));
  assert.is(
    kindOf(() => heap.read(address + 50n, 51)),
    "overrun",
  );
  assert.is(
    kindOf(() => heap.write(address + 100n, new Uint8Array(1))),
    "overrun",
  );
  assert.is(
    kindOf(() => heap.read(address + 128n, 1)),
    "use-after-free",
  );
  assert.is(heap.usableBytes(address), 100);
  heap.free(address);
  assert.is(errorOf(() => heap.read(address, 1)).code, "WL_ALLOC_USE_AFTER_FREE");
});

test("threads share what is live", () => {
  const heap = strictHeap("proposal", { cpus: 2 });
  const address = malloc(heap, 100);
  const other = Heap.attach(heap.share());
  assert.is(other.usableBytes(address), 100);
  other.free(address, { cpu: 1 });
  assert.is(
    kindOf(() => heap.free(address)),
    "double-free",
  );
});

const size = fc.oneof(
  fc.nat({ max: 64 }),
  fc.nat({ max: 5000 }),
  fc.integer({ min: 4000, max: 20_000 }),
);
const command = fc.oneof(
  fc.record({ kind: fc.constant("malloc" as const), cpu: fc.nat({ max: 1 }), size }),
  fc.record({ kind: fc.constant("free" as const), cpu: fc.nat({ max: 1 }), which: fc.nat() }),
  fc.record({ kind: fc.constant("realloc" as const), size, which: fc.nat() }),
  fc.record({ kind: fc.constant("wild" as const), which: fc.nat(), distance: fc.nat() }),
);

test("random requests: nothing good is refused, nothing bad is let pass, and it changes nothing", () => {
  for (const scheme of SCHEMES) {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
        const heap = strictHeap(scheme, { cpus: 2, pageCount: 256 });
        const live = new Map<bigint, number>();
        const pick = (which: number): bigint | undefined => [...live.keys()][which % live.size];
        for (const one of commands) {
          if (one.kind === "malloc") {
            const address = heap.malloc(one.size, { cpu: one.cpu });
            if (address === undefined) continue;
            live.set(address, one.size);
            heap.write(address, new Uint8Array(one.size).fill(live.size));
            continue;
          }
          const address = pick(one.which);
          if (address === undefined) continue;
          if (one.kind === "free") {
            heap.free(address, { cpu: one.cpu });
            live.delete(address);
            assert.throws(() => heap.free(address));
          } else if (one.kind === "realloc") {
            const moved = heap.realloc(address, one.size);
            if (moved === undefined && one.size > 0) continue;
            live.delete(address);
            if (moved !== undefined) live.set(moved, one.size);
          } else {
            const wild = address + BigInt(one.distance % 9000);
            if (live.has(wild)) continue;
            const before = heap.footprintBytes;
            assert.instance(
              errorOf(() => heap.free(wild)),
              AllocatorError,
            );
            assert.is(heap.footprintBytes, before);
          }
        }
        for (const [address, asked] of live) {
          assert.is(heap.usableBytes(address), Math.max(asked, 1));
        }
        assert.equal(heap.checkInvariants(), []);
        for (const address of live.keys()) heap.free(address);
      }),
      { numRuns: 60 },
    );
  }
});

test("with debug, every object is one of the debug region", () => {
  for (const scheme of ["osv", "proposal"] as const) {
    const heap = new Heap({ scheme, pageCount: 64, debug: true });
    const address = heap.calloc(10, 10) ?? 0n;
    assert.is(heap.regionOf(address), "debug");
    assert.equal(heap.read(address, 100), new Uint8Array(100));
    heap.write(address, new Uint8Array(100).fill(9));
    const moved = heap.realloc(address, 9000) ?? 0n;
    assert.equal(heap.read(moved, 100), new Uint8Array(100).fill(9));
    assert.is(heap.usableBytes(moved), 9000);
    assert.is(errorOf(() => heap.read(address, 1)).code, "WL_ALLOC_USE_AFTER_FREE");
    assert.is(errorOf(() => heap.free(address)).code, "WL_ALLOC_DOUBLE_FREE");
    assert.is(
      kindOf(() => heap.write(moved + 9000n, new Uint8Array(3289))),
      "overrun",
    );
    assert.equal(heap.checkInvariants(), []);
    // One page of header, three of data, four nodes of the table.
    assert.is(heap.footprintBytes, 8 * 4096);
    heap.free(moved);
    assert.is(heap.footprintBytes, 0);
    assert.is(heap.malloc(64 * 4096), undefined);
    assert.is(heap.footprintBytes, 0);
    assert.is(errorOf(() => heap.share()).code, "WL_ALLOC_RANGE");
  }
  const old = (): Heap => new Heap({ scheme: "offset-2013", pageCount: 64, debug: true });
  assert.is(errorOf(old).code, "WL_ALLOC_RANGE");
});

test.run();
