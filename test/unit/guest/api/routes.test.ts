import * as assert from "uvu/assert";
import type { OperationSchemas } from "../../../../guest/api/operation-schemas.ts";
import { type OperationId, type Route, routes } from "../../../../guest/api/routes.ts";
import { schemas } from "../../../../guest/api/schemas.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("guest/api/routes");
const all = Object.entries(routes) as [OperationId, Route][];

test("has a schema for every operation and nothing else", () => {
  assert.equal(Object.keys(schemas).sort(), Object.keys(routes).sort());
});

test("says which parts are checked exactly as the schemas do", () => {
  for (const [id, route] of all) {
    const given = schemas[id] as OperationSchemas;
    const parts = (["path", "query", "body"] as const).filter((part) => given[part] !== undefined);
    assert.equal([...route.takes], parts, id);
    const named = [...route.path.matchAll(/\{(\w+)\*?\}/g)].map(([, name]) => name);
    assert.equal(Object.keys(given.path?.properties ?? {}), named, id);
    if (route.produces === "json") assert.ok(given.reply, `${id} has no reply schema`);
  }
});

test("refuses members that no schema names", () => {
  const visit = (schema: unknown, where: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { type, properties, patternProperties, additionalProperties } = schema as Record<
      string,
      unknown
    >;
    if (type === "object" && patternProperties === undefined) {
      assert.is(additionalProperties, false, `${where} takes any member`);
      assert.ok(properties, where);
    }
    for (const [name, part] of Object.entries(schema)) visit(part, `${where}.${name}`);
  };
  for (const [id, parts] of Object.entries(schemas)) visit(parts, id);
});

test("keeps every path and method once, OSv's outside of /v1 and ours below it", () => {
  const seen = new Set<string>();
  for (const [id, { method, path, osv }] of all) {
    assert.not(seen.has(`${method} ${path}`), id);
    seen.add(`${method} ${path}`);
    assert.is(path.startsWith("/v1/"), !osv, id);
  }
});

test("lets a monitor read, but neither files nor the environment", () => {
  const open = all.filter(([, route]) => route.role === "monitor");
  for (const [id, route] of open) {
    assert.ok(route.method === "GET" || id === "apiBatch", id);
    assert.not(["file", "env", "archive", "exec"].includes(route.tag), id);
  }
});

test.run();
