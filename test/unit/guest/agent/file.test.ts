import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { globExpression } from "../../../../guest/agent/file-status.ts";
import { suite } from "../../../support/suite.ts";
import { asAdmin, rawStatus, type TestAgent, testAgent } from "./fixture.ts";

const test = suite("guest/agent/file");

function ask(
  agent: TestAgent,
  method: "GET" | "PUT" | "POST" | "DELETE",
  path: string,
  query = "",
) {
  return agent.app.inject({ method, url: `/file${path}${query}`, headers: asAdmin });
}

test("reads a file, whole or in part", async () => {
  await using agent = await testAgent();
  const path = join(agent.folder, "a b.txt");
  await writeFile(path, "0123456789");
  const url = encodeURI(path);
  const whole = await ask(agent, "GET", url, "?op=GET");
  assert.is(whole.body, "0123456789");
  assert.is(whole.headers["content-type"], "text/plain");
  assert.is(whole.headers["content-length"], "10");
  assert.is((await ask(agent, "GET", url, "?op=GET&offset=8")).body, "89");
  assert.is((await ask(agent, "GET", url, "?op=GET&offset=2&length=3")).body, "234");
  assert.is((await ask(agent, "GET", url, "?op=GET&offset=20")).body, "");
  assert.is((await ask(agent, "GET", url, "?op=GET&length=0")).body, "");
});

test("reads files that say they are empty", async () => {
  await using agent = await testAgent();
  assert.match((await ask(agent, "GET", "/proc/self/status", "?op=GET")).body, "Name:");
});

test("lists a folder with . and .., a pattern without them, and the root", async () => {
  await using agent = await testAgent();
  await mkdir(join(agent.folder, "d/e"), { recursive: true });
  await writeFile(join(agent.folder, "d/e/one.js"), "1");
  await writeFile(join(agent.folder, "d/e/two.ts"), "22", { mode: 0o640 });
  const names = (reply: { json(): { pathSuffix: string }[] }) =>
    reply.json().map((one) => one.pathSuffix);
  const listed = await ask(agent, "GET", `${agent.folder}/d/e`, "?op=LISTSTATUS");
  assert.equal(names(listed).sort(), [".", "..", "one.js", "two.ts"]);
  const two = listed.json().find((one: { pathSuffix: string }) => one.pathSuffix === "two.ts");
  assert.is(two.permission, "640");
  assert.is(two.length, 2);
  assert.is(two.type, "FILE");
  const globbed = await ask(agent, "GET", `${agent.folder}/d/%3F/*.ts`, "?op=LISTSTATUS");
  assert.equal(names(globbed), ["two.ts"]);
  for (const root of ["//", "/%2F"]) {
    assert.ok(names(await ask(agent, "GET", root, "?op=LISTSTATUS")).includes("usr"), root);
  }
});

test("knows files by name and type", async () => {
  await using agent = await testAgent();
  const reply = await ask(agent, "GET", `${agent.folder}/proc`, "?op=GETFILESTATUS");
  assert.is(reply.json().type, "DIRECTORY");
  assert.is(reply.json().pathSuffix, "proc");
  const missing = await ask(agent, "GET", `${agent.folder}/none`, "?op=GETFILESTATUS");
  assert.is(missing.statusCode, 404);
  assert.is(missing.json().code, 404);
});

test("refuses .. in any writing, NUL, a wrong op and none", async () => {
  await using agent = await testAgent();
  const refused = [
    "/tmp/../etc/passwd?op=GET",
    "/tmp/%2e%2e/etc/passwd?op=GET",
    "/..%2fetc/passwd?op=GET",
    "/tmp%2F..?op=LISTSTATUS",
    "/tmp/a%00b?op=GET",
    "/tmp/%zz?op=GET",
    "/tmp",
    "/tmp?op=",
    "/tmp?op=EXPLODE",
    "/tmp?op=GET",
  ];
  for (const url of refused) {
    assert.is(await rawStatus(agent.app, "GET", `/file${url}`), 400, url);
  }
  // Encoded twice is a name with a percent sign, not a way up.
  assert.is((await ask(agent, "GET", "/tmp/%252e%252e/x?op=GET")).statusCode, 404);
  const destination = await ask(agent, "PUT", "/tmp/x", "?op=RENAME&destination=/tmp/../y");
  assert.is(destination.statusCode, 400);
});

test("makes folders, writes, appends, copies, renames and deletes", async () => {
  await using agent = await testAgent();
  const { folder } = agent;
  const put = async (path: string, query: string) => {
    const reply = await ask(agent, "PUT", `${folder}/${path}`, query);
    assert.is(reply.statusCode, 200, reply.body);
    assert.is(reply.body, "");
  };
  await put("n/e/w", "?op=MKDIRS&permission=750");
  assert.is((await stat(join(folder, "n/e/w"))).mode & 0o777, 0o750);
  await put("n/f", "?op=WRITE&content=one+two&permission=600");
  await put("n/f", "?op=WRITE&content=%2Bmore&permission=600");
  assert.is(await readFile(join(folder, "n/f"), "utf8"), "one two+more");
  await put("n/f", "?op=WRITE&content=anew&overwrite=true");
  assert.is(await readFile(join(folder, "n/f"), "utf8"), "anew");
  await put("n/f", `?op=COPY&destination=${folder}/n/g`);
  await put("n/g", `?op=RENAME&destination=${folder}/n/h`);
  assert.is(await readFile(join(folder, "n/h"), "utf8"), "anew");
  assert.is((await ask(agent, "PUT", `${folder}/n/h`, "?op=COPY")).statusCode, 400);

  const remove = (path: string, query: string) => ask(agent, "DELETE", `${folder}/${path}`, query);
  assert.is((await remove("n", "?op=DELETE")).statusCode, 400);
  assert.is((await remove("n", "?op=DELETE&recursive=true")).statusCode, 200);
  assert.is((await remove("n", "?op=DELETE")).statusCode, 404);
});

test("deletes a link, not what it leads to", async () => {
  await using agent = await testAgent();
  await mkdir(join(agent.folder, "kept"));
  await writeFile(join(agent.folder, "kept/file"), "");
  await symlink(join(agent.folder, "kept"), join(agent.folder, "link"));
  const reply = await ask(agent, "DELETE", `${agent.folder}/link`, "?op=DELETE&recursive=true");
  assert.is(reply.statusCode, 200);
  assert.equal(await readdir(join(agent.folder, "kept")), ["file"]);
});

test("takes an upload and leaves nothing beside it, not even when it breaks off", async () => {
  await using agent = await testAgent();
  await mkdir(join(agent.folder, "up"));
  const send = (payload: Buffer) =>
    agent.app.inject({
      method: "POST",
      url: `/file${agent.folder}/up/x`,
      headers: { ...asAdmin, "content-type": "multipart/form-data; boundary=--cut" },
      payload,
    });
  const content = Buffer.concat([Buffer.alloc(200_000, "\r\n--"), Buffer.from([0, 255, 13, 10])]);
  const form = Buffer.concat([
    Buffer.from('----cut\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'),
    content,
    Buffer.from("\r\n----cut--\r\n"),
  ]);
  const reply = await send(form);
  assert.is(reply.statusCode, 200, reply.body);
  assert.equal(await readFile(join(agent.folder, "up/x")), content);
  const broken = await send(form.subarray(0, 100_000));
  assert.is(broken.statusCode, 400);
  assert.equal(await readdir(join(agent.folder, "up")), ["x"]);
  assert.equal(await readFile(join(agent.folder, "up/x")), content);
  assert.is((await send(Buffer.from("----cut--\r\n"))).statusCode, 400);
});

test("matches names as the shell does", () => {
  assert.ok(globExpression("a*.t?").test("abc.ts"));
  assert.not.ok(globExpression("a.ts").test("abts"));
  assert.ok(globExpression("[x]+").test("[x]+"));
});

test.run();
