import { truncate, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import type { ProgramSpec } from "../../../../guest/api/program.ts";
import type { InstanceRecord } from "../../../../host-tools/instance/instance-record.ts";
import type { Template } from "../../../../host-tools/instance/template.ts";
import {
  chooseTemplate,
  templateMismatch,
} from "../../../../host-tools/instance/template-choice.ts";
import { TemplateStore } from "../../../../host-tools/instance/template-store.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { foldersIn, instanceRecord, programSpec } from "./instance-fixture.ts";
import { storeTemplate, templateOf, traits } from "./template-fixture.ts";

const test = suite("template choice");

function recordWith(program: Partial<ProgramSpec>): InstanceRecord {
  const record = instanceRecord();
  return { ...record, options: { ...record.options, program: { ...programSpec, ...program } } };
}

/** Why an instance whose program differs so cannot start from a template; undefined when it can. */
function mismatch(
  program: Partial<ProgramSpec>,
  template: Partial<ProgramSpec> = {},
): string | undefined {
  const theirs = templateOf({ program: { ...programSpec, ...template } });
  return templateMismatch(theirs, recordWith(program), traits);
}

test("a template of the same image, machine and program fits", () => {
  assert.is(templateMismatch(templateOf(), instanceRecord(), traits), undefined);
});

test("another image or machine does not", () => {
  const image = templateOf({ imageId: "e".repeat(64) });
  assert.is(templateMismatch(image, instanceRecord(), traits), "it is of another image");
  const memory = { ...traits, memory: "512 MiB" };
  const words = 'its memory is "256 MiB", not "512 MiB"';
  assert.is(templateMismatch(templateOf(), instanceRecord(), memory), words);
  const dhcp = templateOf({ address: "dhcp" });
  assert.is(templateMismatch(dhcp, instanceRecord(), traits), "its address is dhcp");
});

test("what a running program cannot be told any more is named", () => {
  const health = {
    check: { kind: "http", port: 80, path: "/up" },
    intervalMs: 1,
    timeoutMs: 1,
    retries: 1,
    startPeriodMs: 1,
  } as NonNullable<ProgramSpec["health"]>;
  const changes: Record<string, Partial<ProgramSpec>> = {
    workdir: { workdir: "/srv" },
    user: { user: "node" },
    openStdin: { openStdin: true },
    ports: { ports: [{ port: 80, protocol: "tcp" }] },
    health: { health },
    isNode: { isNode: false },
  };
  for (const [name, change] of Object.entries(changes)) {
    assert.is(mismatch(change), `its program was started with another ${name}`, name);
    assert.is(mismatch({}, change), `its program was started with another ${name}`, name);
  }
});

test("what only the agent and the host heed may differ", () => {
  const change: Partial<ProgramSpec> = {
    restart: { policy: "always", maxRetries: 0 },
    onExit: "keep",
    stopSignal: "SIGINT",
  };
  assert.is(mismatch(change), undefined);
});

test("a variable that is new, gone or other is named, unless it is late-bound", () => {
  const lateBound = { env: ["LATE"], args: false };
  for (const [mine, theirs] of [
    [{ MODE: "a" }, {}],
    [{}, { MODE: "a" }],
    [{ MODE: "a" }, { MODE: "b" }],
  ] as Partial<Record<"MODE", string>>[][]) {
    const words = mismatch({ env: { ...mine } }, { env: { ...theirs }, lateBound });
    assert.match(words ?? "", "started with another MODE;");
    assert.match(words ?? "", "template.env");
  }
  assert.is(mismatch({ env: { LATE: "2" } }, { env: { LATE: "1" }, lateBound }), undefined);
  assert.is(mismatch({ env: { LATE: "2" } }, { lateBound }), undefined);
});

test("arguments may only be added, and only late-bound ones", () => {
  const words = "its program was started with other arguments";
  const args = { lateBound: { env: [], args: true } };
  const more = { argv: [...programSpec.argv, "--more"] };
  assert.is(mismatch(more), words);
  assert.is(mismatch(more, args), undefined);
  assert.is(mismatch({ argv: ["/bin/other", "/app/server.js"] }, args), words);
  assert.is(mismatch({ argv: programSpec.argv.slice(0, 1) }, args), words);
});

async function choice(
  templates: readonly Partial<Template>[],
  choose: (store: TemplateStore) => ReturnType<typeof chooseTemplate>,
): Promise<{ id: string | undefined; why: string | undefined }> {
  await using folder = await temporaryFolder();
  const store = new TemplateStore(foldersIn(folder));
  for (const template of templates) await storeTemplate(store, template);
  const chosen = await choose(store);
  return { id: chosen.template?.id, why: chosen.template ? undefined : chosen.why };
}

const old = { id: "aaaaaaaaaaa1", name: "old", createdAt: "2026-01-01T00:00:00.000Z" };
const newer = { id: "aaaaaaaaaaa2", name: "newer", createdAt: "2026-02-01T00:00:00.000Z" };
const auto = (store: TemplateStore) => chooseTemplate(instanceRecord(), traits, { store });

test("nothing to choose from is no reason for words", async () => {
  assert.equal(await choice([], auto), { id: undefined, why: undefined });
  const other = { ...old, imageId: "e".repeat(64) };
  assert.equal(await choice([other], auto), { id: undefined, why: undefined });
});

test("the newest that fits is taken", async () => {
  assert.is((await choice([old, newer], auto)).id, newer.id);
  assert.is((await choice([newer, old], auto)).id, newer.id);
  const unfit = { ...newer, traits: { ...traits, memory: "1 MiB" } };
  assert.is((await choice([old, unfit], auto)).id, old.id);
});

test("why the newest does not fit is said when none does", async () => {
  const unfit = { ...newer, traits: { ...traits, memory: "1 MiB" } };
  const { id, why } = await choice([{ ...old, address: "dhcp" }, unfit], auto);
  assert.is(id, undefined);
  assert.is(why, 'template "newer" does not fit: its memory is "1 MiB", not "256 MiB"');
});

test("a damaged one gives way to the next", async () => {
  const damage = async (store: TemplateStore) => {
    await writeFile(store.files(newer.id).state, "CPU and devIces");
    return await auto(store);
  };
  assert.is((await choice([old, newer], damage)).id, old.id);
  assert.equal(await choice([newer], damage), {
    id: undefined,
    why: 'template "newer" does not fit: its state file is damaged',
  });
  const cut = async (store: TemplateStore) => {
    await truncate(store.files(newer.id).memory, 1);
    return await auto(store);
  };
  assert.match((await choice([newer], cut)).why ?? "", "its memory file has another size");
});

test("a cold start asks nobody", async () => {
  const cold = (store: TemplateStore) =>
    chooseTemplate(instanceRecord(), traits, { store, request: "cold" });
  assert.equal(await choice([old], cold), { id: undefined, why: undefined });
});

test("a template that was asked for is the only candidate", async () => {
  const asked = (template: string) => (store: TemplateStore) =>
    chooseTemplate(instanceRecord(), traits, { store, request: { template } });
  assert.is((await choice([old, newer], asked(old.id))).id, old.id);
  assert.equal(await choice([old], asked("cccccccccccc")), {
    id: undefined,
    why: "template cccccccccccc is no longer there",
  });
});

test("late-bound values of the instance go along", async () => {
  await using folder = await temporaryFolder();
  const store = new TemplateStore(foldersIn(folder));
  const lateBound = { env: ["LATE", "UNSET"], args: true };
  const program = { ...programSpec, env: { LATE: "theirs", FIXED: "1" }, lateBound };
  await storeTemplate(store, { program });
  const env = { LATE: "mine", FIXED: "1" };
  const record = recordWith({ env, argv: [...programSpec.argv, "a", "b"], lateBound });
  const chosen = await chooseTemplate(record, traits, { store });
  assert.ok(chosen.template);
  assert.equal(chosen.late, { env: { LATE: "mine" }, args: ["a", "b"] });
});

test.run();
