/** Our table of QMP commands and events against the schema that the real QEMU describes itself with. */
import * as assert from "uvu/assert";
import { qmpCommands, qmpEvents } from "../../host-tools/qmp/commands.ts";
import { startableMachine } from "../support/machine.ts";
import { qemuMissing, qemuRig } from "../support/qemu.ts";
import { suite } from "../support/suite.ts";

/** QAPI's SchemaInfo (qapi/introspect.json), the parts needed here. */
interface SchemaItem {
  readonly name: string;
  readonly "meta-type": string;
  readonly "arg-type"?: string;
  readonly "ret-type"?: string;
  readonly "element-type"?: string;
  readonly members?: readonly Member[];
  /** What else there is to say, depending on the value of one member. */
  readonly variants?: readonly { readonly type: string }[];
}

interface Member {
  readonly name: string;
  /** Present: the member may be absent. */
  readonly default?: null;
}

type Names = Readonly<Record<string, "required" | "optional">>;

const missing = await qemuMissing();
let schema: ReadonlyMap<string, SchemaItem> = new Map();

const test = suite("qemu qmp", {
  setup: async ({ signal }) => {
    if (missing !== undefined) return;
    await using rig = await qemuRig(signal);
    const { qmp } = await rig.start(await startableMachine(rig.folder), { paused: true });
    const items: readonly SchemaItem[] = await qmp.execute("query-qmp-schema");
    schema = new Map(items.map((item) => [`${item["meta-type"]} ${item.name}`, item]));
  },
});

/** An object type; a list stands for its elements. Types have names that only the schema knows. */
function objectType(name: string | undefined): SchemaItem | undefined {
  const list = schema.get(`array ${name}`);
  return list ? objectType(list["element-type"]) : schema.get(`object ${name}`);
}

/** Every member we name exists; what we rely on is always there; what QEMU needs, we ask for. */
function compare(ours: Names, theirs: SchemaItem | undefined, direction: "sent" | "received") {
  const ofVariants = (theirs?.variants ?? []).flatMap(({ type }): Member[] => {
    return objectType(type)?.members?.map(({ name }) => ({ name, default: null })) ?? [];
  });
  const all = [...ofVariants, ...(theirs?.members ?? [])];
  const members = new Map(all.map((member) => [member.name, member]));
  for (const [name, presence] of Object.entries(ours)) {
    const member = members.get(name);
    assert.ok(member, `QEMU knows no "${name}"`);
    const theirPresence = member && "default" in member ? "optional" : "required";
    if (direction === "received" && presence === "required") {
      assert.is(theirPresence, "required", `"${name}" may be absent`);
    }
    if (direction === "sent") assert.is(presence, theirPresence, `"${name}"`);
  }
  if (direction === "sent") {
    for (const { name, ...member } of members.values()) {
      assert.ok("default" in member || name in ours, `QEMU demands "${name}"`);
    }
  }
}

for (const [name, command] of Object.entries(qmpCommands)) {
  if (missing !== undefined) {
    test.skip(missing, name);
    continue;
  }
  test(`command ${name}`, () => {
    const theirs = schema.get(`command ${name}`);
    assert.ok(theirs, "QEMU has no such command");
    compare(command.arguments, objectType(theirs?.["arg-type"]), "sent");
    if (Object.keys(command.returns).length > 0) {
      compare(command.returns, objectType(theirs?.["ret-type"]), "received");
    }
  });
}

for (const [name, event] of Object.entries(qmpEvents)) {
  if (missing !== undefined) {
    test.skip(missing, name);
    continue;
  }
  test(`event ${name}`, () => {
    const theirs = schema.get(`event ${name}`);
    assert.ok(theirs, "QEMU has no such event");
    compare(event.data, objectType(theirs?.["arg-type"]), "received");
  });
}

test.run();
