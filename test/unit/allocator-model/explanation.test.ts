import fc from "fast-check";
import * as assert from "uvu/assert";
import { layouts } from "../../../allocator-model/address-layout.ts";
import { explainAddress, explanationText } from "../../../allocator-model/explanation.ts";
import { suite } from "../../support/suite.ts";

const test = suite("explanation");

const explain = (address: bigint, scheme: keyof typeof layouts = "proposal") =>
  explainAddress(layouts[scheme], address);
const notes = (address: bigint, scheme: keyof typeof layouts = "proposal") =>
  explain(address, scheme).notes.join("\n");

test("a half page: its slot, its neighbour, and where else the byte is seen", () => {
  const text = explanationText(explain(0xffff_a000_1234_5800n));
  assert.is(
    text,
    `0xffffa00012345800
  scheme     proposal
  area       half-page (2 of 8)
  physical   0x12345800 (page 0x12345, byte 2048 of it)
  meaning    Slot 1 of 2: the upper half of its page
             The neighbour, slot 0, is at 0xffffa00012345000
  same byte  0xffff800012345800  mempool
             0xffff900012345800  page
             0xffffb00012345800  large
             0xffffe00012345800  early`,
  );
});

test("a pointer into the middle of a block is told from one to its begin", () => {
  assert.match(notes(0xffff_9000_0000_1000n), /has its page for itself/);
  assert.match(
    notes(0xffff_9000_0000_1010n),
    /16 bytes further.*\nIt begins at 0xffff900000001000/,
  );
  assert.match(notes(0xffff_a000_0000_1004n), /4 bytes further.*\nIt begins at 0xffffa00000001000/);
  assert.match(notes(0xffff_8000_0000_1020n), /Inside the header/);
  assert.match(notes(0xffff_8000_0000_1fc0n), /8 to 64 bytes/);
  assert.match(notes(0xffff_8000_0000_1fc4n), /Inside of an object/);
});

test("a large object's header is in the page of the byte before it", () => {
  assert.match(notes(0xffff_b000_0000_2040n), /header is at 0xffffb00000002000/);
  assert.match(notes(0xffff_b000_0000_2000n), /header at 0xffffb00000001000/);
  assert.match(notes(0x4000_0000_2040n, "osv"), /header is at 0x400000002000/);
});

test("no large object begins where its area does", () => {
  for (const [address, scheme] of [
    [0xffff_b000_0000_0000n, "proposal"],
    [0x4000_0000_0000n, "osv"],
    [layouts["offset-2013"].base, "offset-2013"],
  ] as const) {
    assert.match(notes(address, scheme), /No large object begins there/);
    assert.not.match(notes(address, scheme), /0x/);
  }
});

test("outside of all areas, the low half is told from what is nothing's", () => {
  assert.is(explain(0x1000n).area, "none: the low half");
  assert.match(notes(0x1000n), /^For the kernel's image, applications' programs/);
  assert.is(explain(0x2000_0000_0000n, "osv").area, "none: the low half");
  assert.is(explain(0xffff_8000_0000_0000n, "osv").area, "none: no area of this scheme");
  assert.is(explain(0xffff_d000_0000_0000n, "offset-2013").area, "none: no area of this scheme");
  assert.not.match(notes(0xffff_8000_0000_0000n, "osv"), /kernel|application/);
});

test("offset-2013 sees the offset only", () => {
  const base = layouts["offset-2013"].base;
  assert.match(notes(base + 0x3000n, "offset-2013"), /takes it for a large object/);
  assert.match(notes(base + 0x3008n, "offset-2013"), /takes it for an early object/);
  assert.match(notes(base + 0x3010n, "offset-2013"), /No object begins/);
  assert.match(notes(base + 0x3400n, "offset-2013"), /8 to 1024 bytes/);
  assert.match(notes(base + 0x1800n, "offset-2013"), /8 to 2048 bytes/);
  assert.match(notes(0x6000_0000_1800n, "osv"), /8 to 1024 bytes/);
});

test("where nothing is mapped one to one there is no physical address", () => {
  for (const address of [0n, 0xffff_c000_0000_0000n, 0xffff_f000_0000_0000n, 1n << 60n]) {
    assert.is(explain(address).physical, undefined);
    assert.equal(explain(address).aliases, {});
  }
});

test("every address has an explanation", () => {
  const address = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const inAreas = fc
    .tuple(fc.nat({ max: 7 }), fc.bigInt({ min: 0n, max: (1n << 44n) - 1n }))
    .map(([number, offset]) => layouts.proposal.base + (BigInt(number) << 44n) + offset);
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(layouts)),
      fc.oneof(address, inAreas),
      (layout, value) => {
        const explanation = explainAddress(layout, value);
        assert.ok(explanation.notes.length > 0);
        assert.ok(explanationText(explanation).startsWith(`0x${value.toString(16)}\n`));
      },
    ),
  );
});

test.run();
