import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Check } from "typebox/value";
import * as assert from "uvu/assert";
import { parseJsonDocument } from "../../../../image-builder/manifest/positioned-document.ts";
import {
  checkDocument,
  type JsonSchema,
  schemaProblem,
} from "../../../../image-builder/manifest/schema-check.ts";
import {
  WindlassFile,
  windlassSchemaText,
} from "../../../../image-builder/manifest/windlass-file.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("schema check");
const schema = WindlassFile as unknown as JsonSchema;

test("windlass.schema.json is what the schema generates", () => {
  const file = join(import.meta.dirname, "../../../../windlass.schema.json");
  if (process.env["UPDATE_GENERATED"] === "1") writeFileSync(file, windlassSchemaText());
  const hint = "run this test with UPDATE_GENERATED=1 to write the file anew";
  assert.is(readFileSync(file, "utf8"), windlassSchemaText(), hint);
});

test("gives TypeBox's verdict", () => {
  const scalar = fc.constantFrom<unknown>(
    0, 1, 31, 32, 300, 65535, 65536, -1, 1.5, true, null, "", "x", "no", "always", "on-failure:2",
    "256M", "1 G", "5s", "/app", "node@22", "node", "3000/udp", "0:0", "keep", "linux", "a=b",
  ); // biome-ignore format: a table
  const inner = fc.dictionary(
    fc.constantFrom(
      "http",
      "tcp",
      "exec",
      "interval",
      "path",
      "port",
      "include",
      "node",
      "A",
      "a=b",
    ),
    fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })),
    { maxKeys: 2 },
  );
  const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), inner);
  const key = fc.constantFrom(...Object.keys(schema.properties ?? {}), "nonsense");
  fc.assert(
    fc.property(fc.dictionary(key, value, { maxKeys: 3 }), (file) => {
      assert.is(schemaProblem(schema, file) === undefined, Check(WindlassFile, file));
    }),
    { numRuns: 3000 },
  );
});

test("refuses a schema with a keyword that it would skip", () => {
  assert.throws(() => schemaProblem({ format: "date" } as JsonSchema, "x"), /format/);
});

const messages: readonly (readonly [string, RegExp, number, number])[] = [
  ['{\n "memroy": 1}', /Unknown key "memroy" in f: did you mean "memory"\?/, 2, 2],
  ['{"health": {"htpp": {}}}', /Unknown key "health.htpp" in f: did you mean "http"\?/, 1, 13],
  ['{"zzzzz": 1}', /Unknown key "zzzzz" in f$/, 1, 2],
  ['{"memory": "12Q"}', /"memory" in f must be MiB .* not "12Q"/, 1, 12],
  ['{"ports": [1,\n"x"]}', /"ports\[1\]" in f must be a port .* not "x"/, 2, 1],
  ['{"hooks": {"afterClone": "ring"}}', /"hooks.afterClone" in f must be a signal such as/, 1, 26],
  ['{"health": {"tcp": 1, "http": {}}}', /"health" in f must hold exactly one of/, 1, 12],
  ['{"health": {"http": {"port": 70000}}}', /"health.http.port" in f must be 1 to 65535/, 1, 30],
  ['{"runtime": {"nod": "1"}}', /Unknown key "runtime.nod" in f: did you mean "node"\?/, 1, 14],
  ["[]", /f must map keys to values, not an empty list/, 1, 1],
];
for (const [text, message, line, column] of messages) {
  test(`says what is wrong with ${JSON.stringify(text)}`, () => {
    try {
      checkDocument(schema, parseJsonDocument("f", text));
    } catch (error) {
      const { facts } = error as { facts: { line: number; column: number } };
      assert.match((error as Error).message, message);
      assert.equal({ line: facts.line, column: facts.column }, { line, column });
      return;
    }
    assert.unreachable("accepted");
  });
}

test.run();
