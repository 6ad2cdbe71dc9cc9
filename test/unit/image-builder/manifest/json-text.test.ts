import fc from "fast-check";
import * as assert from "uvu/assert";
import { scanJson } from "../../../../image-builder/manifest/json-text.ts";
import {
  parseJsonDocument,
  positionAt,
} from "../../../../image-builder/manifest/positioned-document.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("JSON text");

test("accepts exactly what JSON.parse accepts", () => {
  const broken = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "}", "]", '"', ":", "x", "\\", "1", " "))
    .map(([text, at, insert]) => {
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + insert + text.slice(cut + (at % 2));
    });
  fc.assert(
    fc.property(fc.oneof(fc.json(), broken), (text) => {
      let parses = true;
      try {
        JSON.parse(text);
      } catch {
        parses = false;
      }
      assert.is(scanJson(text).fault === undefined, parses, text);
    }),
    { numRuns: 2000 },
  );
});

test("finds every value where JSON.parse finds it", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.array(fc.integer(), { maxLength: 3 })), (value) => {
      const text = JSON.stringify(value, null, 2);
      const { places } = scanJson(text);
      for (const [key, items] of Object.entries(value)) {
        const place = places.get(JSON.stringify([key]));
        assert.ok(text.startsWith(JSON.stringify(key), place?.key));
        for (const [index, item] of items.entries()) {
          const at = places.get(JSON.stringify([key, index]))?.value;
          assert.ok(text.startsWith(String(item), at));
        }
      }
    }),
  );
});

test("names line and column of what is broken", () => {
  for (const [text, line, column, expected] of [
    ['{"a": 1,\n  "b": 2,\n}', 3, 1, "a quoted key"],
    ['{"a" 1}', 1, 6, '":"'],
    ["[1, 2", 1, 6, '"," or "]"'],
    ['{"a": "x\n"}', 1, 7, "a complete string"],
    ["{} x", 1, 4, "the end of the file"],
    ["", 1, 1, "a value"],
  ] as const) {
    const { fault } = scanJson(text);
    assert.is(fault?.expected, expected, text);
    assert.equal(positionAt(text, fault?.offset ?? -1), { line, column }, text);
  }
});

test("survives depth without recursion", () => {
  assert.is(scanJson("[".repeat(5000) + "]".repeat(5000)).fault, undefined);
});

test("ignores a byte order mark", () => {
  assert.equal(parseJsonDocument("f", '\uFEFF{"a":1}').value, { a: 1 });
});

test.run();
