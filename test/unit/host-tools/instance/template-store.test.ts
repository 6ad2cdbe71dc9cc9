import { appendFile, mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { parseTemplate } from "../../../../host-tools/instance/template.ts";
import { TemplateStore } from "../../../../host-tools/instance/template-store.ts";
import { lockFile } from "../../../../image-builder/store/file-lock.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { foldersIn } from "./instance-fixture.ts";
import { storeTemplate, templateOf } from "./template-fixture.ts";

const test = suite("template store");

async function withStore(
  body: (store: TemplateStore, data: string) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const folders = foldersIn(folder);
  await body(new TemplateStore(folders), folders.data);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HostError) return error.code;
    throw error;
  }
  return "none";
}

test("half a record is none", () => {
  const template = templateOf();
  const text = JSON.stringify(template);
  assert.equal(parseTemplate(text, template.id), template);
  assert.is(parseTemplate(text, "cccccccccccc"), undefined);
  assert.is(parseTemplate("null", template.id), undefined);
  fc.assert(
    fc.property(fc.nat(text.length - 1), (length) => {
      assert.is(parseTemplate(text.slice(0, length), template.id), undefined);
    }),
  );
});

test("a host without templates has none", async () => {
  await withStore(async (store) => {
    assert.equal(await store.list(), []);
    assert.equal(await store.removeLeftovers(), []);
    assert.is(await codeOf(store.get("any")), "WL_TEMPLATE_UNKNOWN");
  });
});

test("what is being made is none until it is committed, and none again when it is removed", async () => {
  await withStore(async (store) => {
    const template = templateOf();
    {
      await using _making = await store.begin(template.id, template.name);
      assert.equal(await store.list(), []);
      await store.commit(template);
    }
    assert.equal(await store.list(), [template]);
    await store.remove(template.id);
    assert.equal(await store.list(), []);
    await store.remove(template.id);
  });
});

test("newest first, found by name, id and the begin of an id that is clear", async () => {
  await withStore(async (store) => {
    const one = await storeTemplate(store, { id: "aaaa00000001", name: "one" });
    const createdAt = "2026-03-01T00:00:00.000Z";
    const two = await storeTemplate(store, { id: "aaaa00000002", name: "two", createdAt });
    assert.equal(await store.list(), [two, one]);
    for (const reference of ["one", one.id, "aaaa00000001"]) {
      assert.equal(await store.find(reference), one, reference);
    }
    assert.equal(await store.find("aaaa"), undefined);
    const three = await storeTemplate(store, { id: "bbbb00000003", name: "three" });
    assert.equal(await store.find("bbb"), three);
    assert.is(await store.find("bb"), undefined);
    assert.is(await store.find("../aaaa00000001"), undefined);
  });
});

test("a taken or unusable name is refused, and leaves no folder", async () => {
  await withStore(async (store, data) => {
    await storeTemplate(store, { id: "aaaa00000001", name: "one" });
    assert.is(await codeOf(store.begin("aaaa00000002", "one")), "WL_TEMPLATE_EXISTS");
    for (const name of ["", "a/b", "-a", "x".repeat(64)]) {
      assert.is(await codeOf(store.begin("aaaa00000002", name)), "WL_USAGE", name);
    }
    const ids = (await readdir(`${data}/templates`)).filter((name) => !name.startsWith("."));
    assert.equal(ids, ["aaaa00000001"]);
  });
});

test("leftovers are removed; what is there or being made stays", async () => {
  await withStore(async (store, data) => {
    const whole = await storeTemplate(store);
    const half = store.files("cccc00000001");
    await mkdir(half.folder);
    await writeFile(half.memory, "memory");
    await writeFile(half.record, '{"schemaVersion":1,');
    await writeFile(`${data}/templates/notes`, "not ours");
    await using _making = await store.begin("cccc00000002", "making");
    assert.equal(await store.removeLeftovers(), ["cccc00000001"]);
    assert.equal((await readdir(`${data}/templates`)).sort(), [
      ".create.lock",
      whole.id,
      "cccc00000002",
      "notes",
    ]);
    assert.equal(await store.removeLeftovers(), []);
  });
});

test("damage is told in words", async () => {
  await withStore(async (store) => {
    const template = await storeTemplate(store);
    const files = store.files(template.id);
    assert.is(await store.damage(template), undefined);
    const later = new Date(template.memory.changedAtMs + 1000);
    await utimes(files.memory, later, later);
    assert.is(await store.damage(template), "its memory file was changed");
    await appendFile(files.memory, "x");
    assert.is(await store.damage(template), "its memory file has another size");
    await rm(files.memory);
    assert.match((await store.damage(template)) ?? "", "its files cannot be read: ENOENT");
  });
});

test("a memory file that is being made sparse is waited for", async () => {
  await withStore(async (store) => {
    const template = await storeTemplate(store);
    const { folder, memory } = store.files(template.id);
    const making = await lockFile(`${folder}/change.lock`);
    await utimes(memory, new Date(), new Date());
    const damage = store.damage(template);
    await stat(memory); // Seen by both.
    const { changedAtMs } = template.memory;
    await utimes(memory, changedAtMs / 1000, changedAtMs / 1000);
    await making.close();
    assert.is(await damage, undefined);
  });
});

test("a single byte more, fewer or other of the state is damage", async () => {
  await withStore(async (store) => {
    const template = await storeTemplate(store);
    const { state } = store.files(template.id);
    for (const text of ["CPU and device", "CPU and devicess", "CPU and devicez", ""]) {
      await writeFile(state, text);
      assert.is(await store.damage(template), "its state file is damaged", text);
    }
    await writeFile(state, "CPU and devices");
    assert.is(await store.damage(template), undefined);
  });
});

test.run();
