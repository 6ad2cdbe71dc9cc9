import { readFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { OPENAPI_PATH, openapiText } from "../../../support/openapi.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("guest/openapi.json");

test("is what the schemas say; write it anew with npx tsx test/support/openapi.ts", async () => {
  assert.is(await readFile(OPENAPI_PATH, "utf8"), openapiText());
});

test("names each operation once", () => {
  const { paths } = JSON.parse(openapiText()) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const ids = Object.values(paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  assert.is(new Set(ids).size, ids.length);
});

test.run();
