import * as assert from "uvu/assert";
import { crc32c } from "../../../../image-builder/filesystems/crc32c.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("crc32c");

test("gives the check value of the CRC catalogue", () => {
  // CRC-32/ISCSI of "123456789" is 0xE3069283 after the final inversion.
  const remainder = crc32c(0xffffffff, Buffer.from("123456789"));
  assert.is((remainder ^ 0xffffffff) >>> 0, 0xe3069283);
});

test("continues from an earlier remainder", () => {
  const part = crc32c(0xffffffff, Buffer.from("12345"));
  assert.is(crc32c(part, Buffer.from("6789")), crc32c(0xffffffff, Buffer.from("123456789")));
});

test.run();
