import { createHash } from "node:crypto";
import * as assert from "uvu/assert";
import { Authorization } from "../../../../guest/agent/authorization.ts";
import { type Route, routes } from "../../../../guest/api/routes.ts";
import { suite } from "../../../support/suite.ts";
import { asAdmin, asMonitor, testAgent } from "./fixture.ts";

const test = suite("guest/agent/authorization");
const digest = (token: string) => createHash("sha256").update(token).digest("hex");

test("asks for a token on every route, before it reads the body", async () => {
  await using agent = await testAgent();
  for (const [id, route] of Object.entries(routes) as [string, Route][]) {
    const url = route.path.replace(/\{\w+\*?\}/, "x");
    const bare = await agent.app.inject({ method: route.method, url });
    assert.is(bare.statusCode, 401, id);
    assert.match(String(bare.headers["www-authenticate"]), /^Bearer/);
    const expected = route.osv ? ["code", "message"] : ["code", "error", "message", "statusCode"];
    assert.equal(Object.keys(bare.json()).sort(), expected, id);
    const headers = { authorization: "Bearer wrong" };
    assert.is((await agent.app.inject({ method: route.method, url, headers })).statusCode, 401, id);
    if (route.role === "monitor") continue;
    const low = await agent.app.inject({ method: route.method, url, headers: asMonitor });
    assert.is(low.statusCode, 403, id);
  }
});

test("does not tell strangers which paths there are", async () => {
  await using agent = await testAgent();
  assert.is((await agent.app.inject({ url: "/nowhere" })).statusCode, 401);
  const known = await agent.app.inject({ url: "/nowhere", headers: asMonitor });
  assert.is(known.statusCode, 404);
  assert.equal(known.json(), { message: "Not found", code: 404 });
  const ours = await agent.app.inject({ url: "/v1/nowhere", headers: asAdmin });
  assert.is(ours.json().code, "WL_AGENT_NOT_FOUND");
  for (const url of ["/trace/status", "/jvm/version", "/jolokia"]) {
    assert.is((await agent.app.inject({ url, headers: asAdmin })).statusCode, 404);
  }
});

test("knows the scheme in any case, and no other scheme", () => {
  const authorization = new Authorization({ tokens: [{ role: "monitor", sha256: digest("t") }] });
  assert.is(authorization.roleOf("Bearer t"), "monitor");
  assert.is(authorization.roleOf("bearer t"), "monitor");
  for (const header of [
    undefined,
    "",
    "t",
    "Basic t",
    "Bearer",
    "Bearer ",
    "Bearer tt",
    "Bearer T",
  ]) {
    assert.is(authorization.roleOf(header), undefined, String(header));
  }
});

test("gives a token that has both roles the higher one", () => {
  const sha256 = digest("t");
  const both = new Authorization({
    tokens: [
      { role: "admin", sha256 },
      { role: "monitor", sha256 },
    ],
  });
  assert.is(both.roleOf("Bearer t"), "admin");
});

test("other tokens take the place of those before them, remembered or not", () => {
  const source = { tokens: [{ role: "admin" as const, sha256: digest("old") }] };
  const authorization = new Authorization(source);
  assert.is(authorization.roleOf("Bearer old"), "admin");
  source.tokens = [{ role: "admin", sha256: digest("new") }];
  assert.is(authorization.roleOf("Bearer old"), undefined);
  assert.is(authorization.roleOf("Bearer new"), "admin");
});

test("remembers no header that was refused, and only a few that were not", () => {
  const tokens = Array.from({ length: 40 }, (_, index) => `t${index}`);
  const authorization = new Authorization({
    tokens: tokens.map((token) => ({ role: "monitor", sha256: digest(token) })),
  });
  for (const round of [1, 2]) {
    for (const token of tokens) {
      assert.is(authorization.roleOf(`Bearer ${token}`), "monitor", `round ${round}`);
      assert.is(authorization.roleOf(`Bearer x${token}`), undefined);
    }
  }
});

test("refuses a digest that is none", () => {
  assert.throws(() => new Authorization({ tokens: [{ role: "admin", sha256: "abc" }] }), /digest/);
});

test.run();
