import {
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type Header, pack } from "tar-stream";
import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";
import { asAdmin, type TestAgent, testAgent } from "./fixture.ts";

const test = suite("guest/agent/archive");

function get(agent: TestAgent, path: string) {
  return agent.app.inject({ url: "/v1/archive", query: { path }, headers: asAdmin });
}

function put(agent: TestAgent, path: string, payload: Buffer) {
  return agent.app.inject({
    method: "PUT",
    url: "/v1/archive",
    query: { path },
    headers: { ...asAdmin, "content-type": "application/x-tar" },
    payload,
  });
}

type TestEntry = Partial<Header> & { name: string; content?: string };

async function tarOf(entries: readonly TestEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry(header, content ?? "");
  archive.finalize();
  return buffer(archive as unknown as NodeJS.ReadableStream);
}

test("carries a tree down and up with modes, times and links", async () => {
  await using agent = await testAgent();
  const from = join(agent.folder, "from");
  const to = join(agent.folder, "to");
  const long = `${"n".repeat(200)} ü.txt`;
  await mkdir(join(from, "deep"), { recursive: true });
  await mkdir(to);
  await writeFile(join(from, long), "x".repeat(300_000));
  await writeFile(join(from, "deep/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  await symlink("../nowhere", join(from, "deep/link"));
  await utimes(join(from, "deep/run.sh"), 1_000_000, 1_000_000);
  await chmod(join(from, "deep"), 0o555);

  const down = await get(agent, from);
  assert.is(down.headers["content-type"], "application/x-tar");
  const up = await put(agent, to, down.rawPayload);
  assert.is(up.statusCode, 200, up.body);
  assert.equal(up.json(), { entries: 5, sizeBytes: 300_010 });
  assert.equal((await readdir(join(to, "from"))).sort(), ["deep", long]);
  assert.is((await readFile(join(to, "from", long))).length, 300_000);
  const script = await stat(join(to, "from/deep/run.sh"));
  assert.is(script.mode & 0o777, 0o755);
  assert.is(script.mtimeMs, 1_000_000_000);
  assert.is((await stat(join(to, "from/deep"))).mode & 0o777, 0o555);
  assert.is(await readlink(join(to, "from/deep/link")), "../nowhere");
  await chmod(join(from, "deep"), 0o755);
  await chmod(join(to, "from/deep"), 0o755);
});

test("packs one file, or a link as a link", async () => {
  await using agent = await testAgent();
  await writeFile(join(agent.folder, "one"), "1");
  await symlink("one", join(agent.folder, "link"));
  await mkdir(join(agent.folder, "to"));
  for (const name of ["one", "link"]) {
    const down = await get(agent, join(agent.folder, name));
    await put(agent, join(agent.folder, "to"), down.rawPayload);
  }
  assert.is(await readFile(join(agent.folder, "to/one"), "utf8"), "1");
  assert.is(await readlink(join(agent.folder, "to/link")), "one");
});

test("writes nothing outside of the folder", async () => {
  await using agent = await testAgent();
  const root = join(agent.folder, "in");
  const outside = join(agent.folder, "outside");
  await mkdir(root);
  await mkdir(outside);
  await writeFile(join(agent.folder, "secret"), "secret");
  const evil: readonly (readonly TestEntry[])[] = [
    [{ name: "/etc/evil", content: "x" }],
    [{ name: "../evil", content: "x" }],
    [{ name: "a/../../evil", content: "x" }],
    [
      { name: "out", type: "symlink", linkname: outside },
      { name: "out/evil", content: "x" },
    ],
    [
      { name: "up", type: "symlink", linkname: ".." },
      { name: "up/evil", content: "x" },
    ],
    [
      { name: "soon", type: "symlink", linkname: join(agent.folder, "not-yet") },
      { name: "soon/evil", content: "x" },
    ],
    [{ name: "hard", type: "link", linkname: "../secret" }],
    [{ name: "hard", type: "link", linkname: join(agent.folder, "secret") }],
    [
      { name: "out2", type: "symlink", linkname: agent.folder },
      { name: "hard", type: "link", linkname: "out2/secret" },
    ],
    [{ name: "device", type: "character-device", devmajor: 1, devminor: 3 }],
    [{ name: ".", content: "x" }],
  ];
  const before = (await readdir(agent.folder)).sort();
  for (const entries of evil) {
    const reply = await put(agent, root, await tarOf(entries));
    assert.is(reply.statusCode, 400, JSON.stringify(entries));
    assert.is(reply.json().code, "WL_AGENT_BAD_REQUEST");
  }
  assert.equal((await readdir(agent.folder)).sort(), before);
  assert.equal(await readdir(outside), []);
});

test("puts a file in the place of a link instead of writing through it", async () => {
  await using agent = await testAgent();
  await mkdir(join(agent.folder, "in"));
  await writeFile(join(agent.folder, "kept"), "kept");
  const entries = [
    { name: "x", type: "symlink" as const, linkname: join(agent.folder, "kept") },
    { name: "x", content: "new" },
  ];
  const reply = await put(agent, join(agent.folder, "in"), await tarOf(entries));
  assert.is(reply.statusCode, 200, reply.body);
  assert.is(await readFile(join(agent.folder, "kept"), "utf8"), "kept");
  assert.is(await readFile(join(agent.folder, "in/x"), "utf8"), "new");
});

test("says so when the stream is no tar or breaks off, or the folder is none", async () => {
  await using agent = await testAgent();
  const whole = await tarOf([{ name: "a", content: "a".repeat(5000) }]);
  assert.is((await put(agent, agent.folder, whole.subarray(0, 2000))).statusCode, 400);
  assert.is((await put(agent, agent.folder, Buffer.alloc(2000, "x"))).statusCode, 400);
  assert.is((await put(agent, join(agent.folder, "none"), whole)).statusCode, 404);
  assert.is((await put(agent, join(agent.folder, "proc/stat"), whole)).statusCode, 400);
  assert.is((await get(agent, join(agent.folder, "none"))).statusCode, 404);
  assert.is((await get(agent, "/tmp/../etc")).statusCode, 400);
  assert.is((await get(agent, "relative")).statusCode, 400);
  assert.not((await readdir(agent.folder)).some((name) => name.startsWith(".windlass")));
});

test("unpacks two archives into one folder at once", async () => {
  await using agent = await testAgent();
  const content = "x".repeat(500_000);
  const [one, two] = await Promise.all([
    tarOf([{ name: "one", content }]),
    tarOf([{ name: "two", content }]),
  ]);
  const replies = await Promise.all([put(agent, agent.folder, one), put(agent, agent.folder, two)]);
  assert.equal(
    replies.map(({ body }) => body),
    Array(2).fill(JSON.stringify({ entries: 1, sizeBytes: content.length })),
  );
  for (const name of ["one", "two"]) {
    assert.is(await readFile(join(agent.folder, name), "utf8"), content);
  }
});

test.run();
