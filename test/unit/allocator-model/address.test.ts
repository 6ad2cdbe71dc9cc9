import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  decodeAddress,
  encodeAddress,
  PHYSICAL_LIMIT,
  translateAddress,
} from "../../../allocator-model/address.ts";
import { type AddressLayout, layouts } from "../../../allocator-model/address-layout.ts";
import { AddressReader, NO_AREA } from "../../../allocator-model/address-reader.ts";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import { suite } from "../../support/suite.ts";

const test = suite("addresses");

const physical = fc.bigInt({ min: 0n, max: PHYSICAL_LIMIT - 1n });
const anyLayout = fc.constantFrom(...Object.values(layouts));
/** A layout, one of its areas, a place in it. */
const place = anyLayout.chain((layout) =>
  fc.record({
    layout: fc.constant(layout),
    number: fc.nat({ max: layout.areas.length - 1 }),
    offset: physical,
  }),
);

function areaName(layout: AddressLayout, address: bigint): string {
  const decoded = decodeAddress(layout, address);
  return decoded.kind === "area" ? decoded.area.name : decoded.kind;
}

test("the proposal's eight areas are where issue 87 has them", () => {
  const { proposal } = layouts;
  const names = [0x8n, 0x9n, 0xan, 0xbn, 0xcn, 0xdn, 0xen, 0xfn].map((digit) =>
    areaName(proposal, 0xffff_0000_0000_1000n | (digit << 44n)),
  );
  const expected = ["mempool", "page", "half-page", "large", "reserved", "reserved", "early"];
  assert.equal(names, [...expected, "debug"]);
  assert.is(areaName(proposal, 0xffff_8000_0000_0000n), "mempool");
  assert.is(areaName(proposal, 0xffff_ffff_ffff_ffffn), "debug");
  assert.is(areaName(proposal, 0x0000_7fff_ffff_ffffn), "low-half");
  assert.is(areaName(proposal, 0x0000_8000_0000_0000n), "non-canonical");
  assert.is(areaName(proposal, 0xffff_7fff_ffff_ffffn), "non-canonical");
});

test("addresses that OSv printed are in the areas it took them from", () => {
  // malloc of 1024, 1025, 4097 bytes and 2 MiB less 64, in a running OSv.
  const { osv } = layouts;
  assert.is(areaName(osv, 0x6000_0040_1c00n), "mempool");
  assert.is(areaName(osv, 0x5000_0040_1000n), "page");
  assert.is(areaName(osv, 0x4000_0040_1040n), "main");
  assert.is(areaName(osv, 0x2000_0040_0040n), "low-half");
  assert.is(areaName(osv, 0x7000_0000_0000n), "debug");
  assert.is(areaName(osv, 0xffff_8000_0000_0000n), "no-area");
});

test("the low half is what is mapped of it and no area's", () => {
  for (const layout of Object.values(layouts)) {
    const { begin, last } = layout.lowHalf;
    assert.is(areaName(layout, begin), "low-half");
    assert.is(areaName(layout, last), "low-half");
    assert.is.not(areaName(layout, last + 1n), "low-half");
  }
  assert.is(areaName(layouts["offset-2013"], 0xffff_bfff_ffff_ffffn), "no-area");
  assert.is(areaName(layouts["offset-2013"], 0xffff_d000_0000_0000n), "no-area");
});

test("an address has the area and the place that it was made of", () => {
  fc.assert(
    fc.property(place, ({ layout, number, offset }) => {
      const decoded = decodeAddress(layout, encodeAddress(layout, number, offset));
      assert.is(decoded.kind, "area");
      if (decoded.kind !== "area") return;
      assert.is(decoded.number, number);
      assert.is(decoded.offset, offset);
      assert.is(decoded.area, layout.areas[number]);
    }),
  );
});

test("the same byte through another area and back is the same address", () => {
  fc.assert(
    fc.property(place, fc.nat({ max: 7 }), ({ layout, number, offset }, to) => {
      const isMapped = (index: number) => layout.areas[index]?.mapping === "identity";
      const address = encodeAddress(layout, number, offset);
      if (!isMapped(number) || !isMapped(to)) {
        assert.throws(
          () => translateAddress(layout, address, to),
          (error: unknown) => error instanceof AllocatorError && error.code === "WL_ALLOC_ADDRESS",
        );
        return;
      }
      const alias = translateAddress(layout, address, to);
      const decoded = decodeAddress(layout, alias);
      assert.is(decoded.kind === "area" && decoded.number, to);
      assert.is(decoded.kind === "area" && decoded.offset, offset);
      assert.is(translateAddress(layout, alias, number), address);
    }),
  );
});

test("halves of 32 bits say the same as bigints", () => {
  const address = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    place.map(({ layout, number, offset }) => encodeAddress(layout, number, offset)),
  );
  fc.assert(
    fc.property(anyLayout, address, (layout, value) => {
      const reader = new AddressReader(layout);
      const high = Number(value >> 32n);
      const low = Number(value & 0xffff_ffffn);
      const decoded = decodeAddress(layout, value);
      const number = reader.areaOf(high);
      assert.is(number, decoded.kind === "area" ? decoded.number : NO_AREA);
      if (decoded.kind !== "area") return;
      assert.is(BigInt(reader.physicalOf(high, low)), decoded.offset);
      assert.is(BigInt(reader.pageOf(high, low)), decoded.offset >> 12n);
      assert.is(reader.highOf(number, Number(decoded.offset)), high);
    }),
  );
});

test("what is no address, no area or no place in one is refused", () => {
  const { proposal } = layouts;
  const refused = (code: string) => (error: unknown) =>
    error instanceof AllocatorError && error.code === code;
  assert.throws(() => decodeAddress(proposal, -1n), refused("WL_ALLOC_ADDRESS"));
  assert.throws(() => decodeAddress(proposal, 1n << 64n), refused("WL_ALLOC_ADDRESS"));
  assert.throws(() => encodeAddress(proposal, 8, 0n), refused("WL_ALLOC_RANGE"));
  assert.throws(() => encodeAddress(proposal, 0, PHYSICAL_LIMIT), refused("WL_ALLOC_RANGE"));
  assert.throws(() => encodeAddress(proposal, 0, -1n), refused("WL_ALLOC_RANGE"));
});

test.run();
