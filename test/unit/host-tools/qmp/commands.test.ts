import * as assert from "uvu/assert";
import { missingMember } from "../../../../host-tools/qmp/commands.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("qmp commands");

const members = { running: "required", status: "required", singlestep: "optional" } as const;

test("names the first member that a reply lacks", () => {
  assert.is(missingMember(members, { running: true }), "status");
  assert.is(missingMember(members, {}), "running");
});

test("accepts a reply with more members, and without the optional ones", () => {
  assert.is(missingMember(members, { running: true, status: "paused", more: 1 }), undefined);
});

test("looks at every element of a list", () => {
  const whole = { running: true, status: "paused" };
  assert.is(missingMember(members, []), undefined);
  assert.is(missingMember(members, [whole, whole]), undefined);
  assert.is(missingMember(members, [whole, { running: false }]), "status");
});

test("refuses values that have no members where some are required", () => {
  for (const value of [undefined, null, 1, "text"]) {
    assert.is(missingMember(members, value), "running");
    assert.is(missingMember({}, value), undefined);
  }
});

test.run();
