import { readFile, stat } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import {
  isSuspended,
  parseSuspension,
  readSuspension,
  suspendMachine,
} from "../../../../host-tools/instance/suspension.ts";
import { connectQmp } from "../../../../host-tools/qmp/connection.ts";
import { startQmpServer } from "../../../support/qmp-server.ts";
import { suite } from "../../../support/suite.ts";
import { launch, storedInstance } from "./instance-fixture.ts";

const test = suite("suspension");

test("what is not about this launch is not about this machine", () => {
  const { startedAt } = launch;
  const text = JSON.stringify({ stoppedAtMs: 5, startedAt });
  assert.equal(parseSuspension(text, startedAt), { stoppedAtMs: 5, startedAt });
  assert.is(parseSuspension(text, undefined), undefined);
  assert.is(parseSuspension(text, "2026-01-01T00:00:00.001Z"), undefined);
  assert.is(parseSuspension(JSON.stringify({ startedAt }), startedAt), undefined);
  assert.is(parseSuspension('{"stoppedAtMs":5}', undefined), undefined);
  fc.assert(fc.property(fc.string(), (other) => parseSuspension(other, startedAt) === undefined));
  for (let length = 0; length < text.length; length += 1) {
    assert.is(parseSuspension(text.slice(0, length), startedAt), undefined);
  }
});

/** A monitor whose machine can be stopped, if it may. */
function monitor({ refuses = false } = {}) {
  let running = true;
  return startQmpServer({
    answer({ execute, id }, peer) {
      if (execute === "query-status")
        peer.send({ return: { running, status: running ? "running" : "paused" }, id });
      else if (refuses) peer.send({ error: { class: "GenericError", desc: "no" }, id });
      else {
        running = execute !== "stop";
        peer.send({ return: {}, id });
      }
    },
  });
}

test("QEMU says whether a machine stands still; it is asked only where the file is", async () => {
  await using instance = await storedInstance();
  await using server = await monitor();
  const files = { ...instance.files, qmpSocket: server.path };
  assert.is(await isSuspended(instance.record, files), false);
  assert.equal(server.received, []);
  await using qmp = await connectQmp({ path: server.path });
  const suspension = await suspendMachine(qmp, instance.record, files);
  assert.equal(await readSuspension(instance.record, files), suspension);
  assert.is(await isSuspended(instance.record, files), true);
  await qmp.execute("cont");
  assert.is(await isSuspended(instance.record, files), false);
  assert.is((await stat(files.suspension)).isFile(), true); // Nobody but the owner of the lock removes it.
});

test("a machine that is not stopped leaves no file", async () => {
  await using instance = await storedInstance();
  await using server = await monitor({ refuses: true });
  await using qmp = await connectQmp({ path: server.path });
  const error = await suspendMachine(qmp, instance.record, instance.files).catch(
    (caught) => caught,
  );
  assert.instance(error, HostError);
  assert.is(error.code, "WL_QMP_COMMAND_FAILED");
  const gone = await readFile(instance.files.suspension).catch((caught) => caught);
  assert.is(gone.code, "ENOENT");
});

test("a monitor that serves somebody else is no reason to wait, nor to think that it runs", async () => {
  await using instance = await storedInstance();
  await using server = await monitor();
  await using qmp = await connectQmp({ path: server.path });
  await suspendMachine(qmp, instance.record, instance.files);
  await using silent = await startQmpServer({ greeting: "" });
  const files = { ...instance.files, qmpSocket: silent.path };
  assert.is(await isSuspended(instance.record, files), true);
});

test.run();
