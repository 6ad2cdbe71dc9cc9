/**
 * Random requests on a heap and on a list of intervals. ALLOCATOR_COMMANDS says how many for each scheme: some ten
 * thousand by default.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import { translateAddress } from "../../../allocator-model/address.ts";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import { Heap, type HeapOptions } from "../../../allocator-model/heap.ts";
import { suite } from "../../support/suite.ts";

const COMMANDS = Number(process.env["ALLOCATOR_COMMANDS"] ?? 12_000);
const COMMANDS_PER_RUN_MAX = 300;
const PAGES = 96;
const CPUS = 3;
const AREA_MASK = (1n << 44n) - 1n;

const test = suite("heap against a model", { timeoutMs: 30_000 + COMMANDS * 5 });

const size = fc.oneof(
  fc.integer({ min: 0, max: 64 }),
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 1000, max: 2100 }),
  fc.integer({ min: 4000, max: 40_000 }),
);
const cpu = fc.nat({ max: CPUS - 1 });
const which = fc.nat();
const shift = fc.option(fc.integer({ min: 0, max: 14 }), { nil: undefined });
const command = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("malloc" as const), cpu, size, shift }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("free" as const), cpu, which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("realloc" as const), cpu, which, size }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("calloc" as const), cpu, size }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("step" as const), cpu }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("fault" as const), after: fc.nat({ max: 9 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("bad" as const), which, by: fc.nat({ max: 5000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("start" as const) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface Live {
  address: bigint;
  /** Physical. */
  at: number;
  usable: number;
  mark: number;
}

/** What the heap should have: objects as intervals of physical memory, each filled with its mark. */
class Model {
  readonly #heap: Heap;
  readonly #isStrict: boolean;
  readonly #live: Live[] = [];
  /** Areas that show all of memory. */
  readonly #aliases: readonly number[];
  #mark = 0;
  #freed: bigint | undefined;

  constructor(heap: Heap, isStrict: boolean) {
    this.#heap = heap;
    this.#isStrict = isStrict;
    const { areas } = heap.layout;
    this.#aliases = [...areas.keys()].filter((area) => areas[area]?.mapping === "identity");
  }

  run(one: Command): void {
    switch (one.kind) {
      case "malloc": {
        const alignment = one.shift === undefined ? undefined : 2 ** one.shift;
        const address = this.#heap.malloc(one.size, { cpu: one.cpu, alignment });
        if (address === undefined) return;
        this.#add(address, one.size);
        const wanted = alignment ?? (one.size >= 16 ? 16 : 1);
        assert.is(address % BigInt(Math.min(wanted, this.#alignmentMax(address))), 0n);
        return;
      }
      case "calloc": {
        const address = this.#heap.calloc(1, one.size, { cpu: one.cpu });
        if (address === undefined) return;
        assert.ok(this.#heap.view(address, one.size).every((byte) => byte === 0));
        this.#add(address, one.size);
        return;
      }
      case "free": {
        const object = this.#take(one.which);
        if (object) this.#heap.free(object.address, { cpu: one.cpu });
        return;
      }
      case "realloc":
        this.#realloc(one);
        return;
      case "step":
        this.#heap.step(one.cpu);
        return;
      case "fault":
        this.#heap.failPageAllocations(one.after + 1);
        return;
      case "bad":
        if (this.#isStrict) this.#freeNone(one);
        return;
      case "start":
        this.#heap.startCpus();
        return;
    }
  }

  /** @returns how many there were */
  freeAll(): number {
    const count = this.#live.length;
    for (const { address } of this.#live.splice(0)) this.#heap.free(address);
    return count;
  }

  /** Before areas, objects from before the CPUs were up began 8 bytes behind a page's begin, whatever was asked for. */
  #alignmentMax(address: bigint): number {
    const isLone = this.#heap.layout.scheme === "offset-2013";
    return isLone && this.#heap.regionOf(address) === "early" ? 8 : Number.MAX_SAFE_INTEGER;
  }

  /** Near an object, and where one was: never an object's begin. */
  #freeNone({ which, by }: Extract<Command, { kind: "bad" }>): void {
    const near = this.#live[which % Math.max(this.#live.length, 1)]?.address;
    for (const address of [near === undefined ? undefined : near + BigInt(by), this.#freed]) {
      if (address === undefined || this.#live.some((one) => one.address === address)) continue;
      assert.throws(
        () => this.#heap.free(address),
        (error: unknown) => error instanceof AllocatorError && error.facts.pointer !== undefined,
      );
    }
  }

  #realloc({ cpu, which, size }: Extract<Command, { kind: "realloc" }>): void {
    const object = this.#take(which);
    const moved = this.#heap.realloc(object?.address, size, { cpu });
    if (moved === undefined) {
      if (object && size > 0) this.#live.push(object);
      return;
    }
    const kept = this.#heap.view(moved, Math.min(object?.usable ?? 0, size));
    assert.ok(kept.every((byte) => byte === object?.mark));
    this.#add(moved, size);
  }

  /** What nobody else has, and what was written there last. */
  #take(which: number): Live | undefined {
    const [object] = this.#live.splice(which % Math.max(this.#live.length, 1), 1);
    if (!object) return undefined;
    const { address, usable, mark } = object;
    assert.is(this.#heap.usableBytes(address), usable);
    assert.ok(this.#heap.view(address, usable).every((byte) => byte === mark));
    this.#freed = address;
    return object;
  }

  #add(address: bigint, size: number): void {
    const heap = this.#heap;
    const usable = heap.usableBytes(address);
    assert.ok(usable >= size, `${usable} bytes are usable of ${size}`);
    const at = Number(address & AREA_MASK);
    const isAlone = this.#live.every(
      (other) => at >= other.at + other.usable || at + usable <= other.at,
    );
    assert.ok(isAlone, "no byte is in two objects");
    const region = heap.regionOf(address);
    for (let page = Math.floor(at / 4096); page * 4096 < at + usable; page += 1) {
      assert.is(heap.owners.of(page), region);
    }
    const last = address + BigInt(usable - 1);
    // The offset in its page says something else of a byte inside.
    if (heap.layout.scheme !== "offset-2013") assert.is(heap.regionOf(last), region);
    this.#mark = (this.#mark + 1) % 251;
    heap.view(address, usable).fill(this.#mark);
    for (const area of this.#aliases) {
      for (const byte of [address, last])
        assert.is(heap.view(translateAddress(heap.layout, byte, area), 1)[0], this.#mark);
    }
    this.#live.push({ address, at, usable, mark: this.#mark });
  }
}

const choices = fc.record({
  background: fc.constantFrom("at-once" as const, "by-steps" as const),
  strict: fc.boolean(),
  isBooting: fc.boolean(),
});
type Choices = typeof choices extends fc.Arbitrary<infer T> ? T : never;

const variants: readonly HeapOptions[] = [
  { scheme: "offset-2013", pageCount: PAGES },
  { scheme: "osv", pageCount: PAGES },
  { scheme: "proposal", pageCount: PAGES },
  { scheme: "proposal", pageCount: PAGES, halfPages: "exact", largeHeader: "out-of-band" },
];

for (const variant of variants) {
  const { scheme, halfPages = "fit" } = variant;
  test(`${scheme}, ${halfPages}: no byte twice, none changed, each page accounted for, all come back`, () => {
    let left = COMMANDS;
    const run = (commands: readonly Command[], choices: Choices): void => {
      const heap = new Heap({ ...variant, ...choices, cpus: CPUS });
      const model = new Model(heap, choices.strict);
      for (const one of commands) {
        model.run(one);
        assert.equal(heap.checkInvariants(), []);
      }
      left -= commands.length;
      model.freeAll();
      heap.failPageAllocations(Number.POSITIVE_INFINITY);
      for (let one = 0; one < CPUS; one += 1) heap.collect(one);
      assert.equal(heap.checkInvariants(), []);
      assert.is(heap.footprintBytes / 4096, heap.core.small.emptyPages(), "pages in use");
    };
    const commands = fc.array(command, { maxLength: COMMANDS_PER_RUN_MAX, size: "max" });
    while (left > 0)
      fc.assert(fc.property(commands, choices, run), { numRuns: 20, includeErrorInReport: true });
  });
}

test.run();
