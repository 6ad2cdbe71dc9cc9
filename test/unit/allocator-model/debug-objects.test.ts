import fc from "fast-check";
import * as assert from "uvu/assert";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import type { BadPointerKind } from "../../../allocator-model/bad-pointer.ts";
import { DebugObjects } from "../../../allocator-model/debug-objects.ts";
import { suite } from "../../support/suite.ts";
import { pageRig } from "./page-rig.ts";

const test = suite("debug objects");

const BASE = 0xffff_f000_0000_0000n;
const PAGE = 4096;

function rig(pages = 64) {
  const { memory, ranges, source } = pageRig(pages);
  return { memory, ranges, debug: new DebugObjects(memory, source, BASE) };
}

function allocate(debug: DebugObjects, size: number, alignment = 16): number {
  const address = debug.allocate(0, size, alignment);
  if (address === undefined) throw new Error(`no memory for ${size}`);
  return address;
}

/** Of the error that a call throws. */
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

test("an object has pages of its own, two behind its header's, and one before the next header", () => {
  const { debug } = rig();
  assert.is(allocate(debug, 100), 2 * PAGE);
  assert.is(allocate(debug, PAGE), 6 * PAGE);
  assert.is(allocate(debug, PAGE + 1), 10 * PAGE);
  assert.is(debug.usedBytes, 13 * PAGE);
  const mapped = [...debug.table.mappings()].map(({ virtual }) => virtual);
  assert.equal(mapped, [0, 2, 4, 6, 8, 10, 11]);
  assert.equal(debug.violations(), []);
});

test("an object is filled with 3, 4, 5 and so on, and the rest of its page with $", () => {
  const { debug } = rig();
  const address = allocate(debug, PAGE + 300);
  const bytes = debug.read(address, 2 * PAGE);
  for (let at = 0; at < PAGE + 300; at += 1) assert.is(bytes[at], (3 + at) % 256);
  assert.ok(bytes.subarray(PAGE + 300).every((byte) => byte === 0x24));
});

test("the header is OSv's: size, sixteen $, size", () => {
  const { debug } = rig();
  const header = debug.read(allocate(debug, 0x1234) - 2 * PAGE, 33);
  const size = [0x34, 0x12, 0, 0, 0, 0, 0, 0];
  assert.equal([...header], [...size, ...Array.from({ length: 16 }, () => 0x24), ...size, 0]);
});

test("no address is used again, though all memory comes back", () => {
  const { debug, ranges } = rig();
  let last = -1;
  for (let round = 0; round < 1000; round += 1) {
    const address = allocate(debug, (round * 37) % 9000, round % 7 === 0 ? 8192 : 16);
    assert.ok(address > last);
    last = address;
    debug.free(0, address);
    assert.is(ranges.freePages, 64);
  }
  assert.equal([...debug.objects()], []);
});

test("more than a page of alignment is kept, in space that is then lost", () => {
  const { debug } = rig();
  for (const alignment of [8192, 2 ** 16, 2 ** 21, 2 ** 40]) {
    assert.is(allocate(debug, 10, alignment) % alignment, 0);
    assert.is(allocate(debug, 10) % PAGE, 0);
  }
  assert.equal(debug.violations(), []);
});

test("the end of virtual space is the end of memory, and so is that of pages", () => {
  const { debug, ranges } = rig();
  assert.is(debug.allocate(0, 2 ** 44 - 2 * PAGE, 16), undefined);
  assert.is(debug.allocate(0, 64 * PAGE, 16), undefined);
  assert.is(ranges.freePages, 64);
  assert.is(debug.usedBytes, 0);
  // The alignment takes space with it.
  assert.is(allocate(debug, 8, 2 ** 43), 2 ** 43);
  assert.is(debug.allocate(0, 8, 2 ** 43), undefined);
  assert.is(debug.allocate(0, 8, 16), debug.usedBytes - 2 * PAGE);
});

test("an overrun within the last page is found by free, one beyond it at once", () => {
  const { debug } = rig();
  const address = allocate(debug, 100);
  debug.write(address + 100, new Uint8Array([1]));
  const error = errorOf(() => debug.free(0, address));
  assert.is(error.code, "WL_ALLOC_OVERRUN");
  assert.equal(error.facts.pointer, {
    ...{ kind: "overrun", address: BASE + 8192n, page: 5, owner: "debug", begin: BASE + 8192n },
    size: 100,
  });
  assert.match(error.message, /0xfffff00000002000.*byte 100 of the object of 100 bytes/);
  assert.match(error.facts.next ?? "", /writes behind/);
  // It is still there.
  debug.write(address + 100, new Uint8Array([0x24]));
  debug.free(0, address);

  const other = allocate(debug, PAGE);
  assert.is(
    kindOf(() => debug.write(other + PAGE, new Uint8Array(1))),
    "overrun",
  );
  assert.is(
    kindOf(() => debug.write(other + PAGE - 1, new Uint8Array([9, 9]))),
    "overrun",
  );
  assert.is.not(debug.read(other + PAGE - 1, 1)[0], 9);
  assert.is(
    kindOf(() => debug.read(other - 1, 2)),
    "overrun",
  );
});

test("use after free and double free are told from pointers that never were any", () => {
  const { debug } = rig();
  const [address, neighbour] = [allocate(debug, 5000), allocate(debug, 1)];
  debug.free(0, address);
  assert.is(errorOf(() => debug.read(address, 1)).code, "WL_ALLOC_USE_AFTER_FREE");
  assert.is(
    errorOf(() => debug.write(address + 4999, new Uint8Array(1))).code,
    "WL_ALLOC_USE_AFTER_FREE",
  );
  assert.is(errorOf(() => debug.usableBytes(address)).code, "WL_ALLOC_USE_AFTER_FREE");
  assert.is(errorOf(() => debug.free(0, address)).code, "WL_ALLOC_DOUBLE_FREE");
  const never = debug.usedBytes;
  assert.is(
    kindOf(() => debug.free(0, never)),
    "range",
  );
  assert.is(
    kindOf(() => debug.read(never, 1)),
    "range",
  );
  assert.is(debug.usableBytes(neighbour), 1);
});

test("a pointer beside an object's begin is told with the object that it is beside", () => {
  const { debug } = rig();
  allocate(debug, 3 * PAGE);
  const address = allocate(debug, 2 * PAGE);
  allocate(debug, 0);
  const beside = [1, PAGE, PAGE + 8, 2 * PAGE, -1, -PAGE, -2 * PAGE, -2 * PAGE + 8];
  for (const distance of beside) {
    const error = errorOf(() => debug.free(0, address + distance));
    assert.is(error.code, "WL_ALLOC_POINTER", `${distance}`);
    assert.is(error.facts.pointer?.kind, "interior");
    assert.is(error.facts.pointer?.begin, BASE + BigInt(address), `${distance}`);
  }
  assert.is([...debug.objects()].length, 3);
});

test("an object of no bytes has an address to free, and nothing behind it", () => {
  const { debug, ranges } = rig();
  const address = allocate(debug, 0);
  assert.is(debug.usableBytes(address), 0);
  assert.is(
    kindOf(() => debug.read(address, 1)),
    "overrun",
  );
  debug.free(0, address);
  assert.is(
    kindOf(() => debug.free(0, address)),
    "double-free",
  );
  assert.is(ranges.freePages, 64);
});

test("a header that was written to is found, by free and by a check", () => {
  const { debug } = rig();
  const address = allocate(debug, 10);
  for (const at of [0, 8, 23, 24, 31]) {
    const place = address - 2 * PAGE + at;
    const [was = 0] = debug.read(place, 1);
    debug.write(place, new Uint8Array([was ^ 1]));
    assert.is(
      kindOf(() => debug.free(0, address)),
      "corrupt-header",
    );
    assert.is(debug.violations().length, 1);
    debug.write(place, new Uint8Array([was]));
  }
  debug.free(0, address);
});

const command = fc.oneof(
  fc.record({
    kind: fc.constant("allocate" as const),
    size: fc.oneof(fc.nat({ max: 64 }), fc.nat({ max: 4 * PAGE })),
    shift: fc.nat({ max: 15 }),
  }),
  fc.record({ kind: fc.constant("free" as const), which: fc.nat() }),
);

test("in any order: contents stay, every address is what it was, all pages come back", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const { debug, ranges } = rig(40);
      const live: { at: number; size: number; mark: number }[] = [];
      const gone: number[] = [];
      const remove = (which: number): void => {
        const [object] = live.splice(which % Math.max(live.length, 1), 1);
        if (!object) return;
        const { at, size, mark } = object;
        assert.ok(debug.read(at, size).every((byte) => byte === mark));
        debug.free(0, at);
        gone.push(at);
      };
      for (const [index, one] of commands.entries()) {
        if (one.kind === "free") remove(one.which);
        else {
          const { size } = one;
          const at = debug.allocate(0, size, 2 ** one.shift);
          if (at === undefined) continue;
          assert.is(at % 2 ** one.shift, 0);
          assert.is(debug.usableBytes(at), size);
          debug.write(at, new Uint8Array(size).fill(index));
          live.push({ at, size, mark: index });
        }
        assert.equal(debug.violations(), []);
      }
      while (live.length > 0) remove(0);
      for (const at of gone)
        assert.is(
          kindOf(() => debug.free(0, at)),
          "double-free",
        );
      assert.is(ranges.freePages, 40);
      assert.equal(ranges.violations(), []);
    }),
  );
});

test.run();
