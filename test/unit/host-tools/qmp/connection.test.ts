import * as assert from "uvu/assert";
import { HostError, type HostErrorCode } from "../../../../host-tools/errors.ts";
import { connectQmp } from "../../../../host-tools/qmp/connection.ts";
import { startQmpServer } from "../../../support/qmp-server.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("qmp connection");

/** The error a promise is rejected with, which must carry `code`. */
async function failure(work: Promise<unknown>, code: HostErrorCode): Promise<HostError> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    assert.is(error.code, code);
    return error;
  }
  return assert.unreachable(`expected ${code}`) as never;
}

const stopEvent = { timestamp: { seconds: 1, microseconds: 0 }, event: "STOP" };
const running = { running: true, status: "running" };

test("negotiates and knows the version", async ({ signal }) => {
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path, signal });
  assert.is(qmp.greeting.version.major, 7);
  assert.equal(
    server.received.map(({ execute }) => execute),
    ["qmp_capabilities"],
  );
});

test("matches replies to commands by id, not by order", async ({ signal }) => {
  const held: number[] = [];
  await using server = await startQmpServer({
    answer: ({ id }, peer) => {
      held.push(id);
      if (held.length < 3) return;
      for (const heldId of held.reverse()) {
        peer.send({ return: { running: heldId % 2 === 0, status: `for ${heldId}` }, id: heldId });
      }
    },
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  const replies = await Promise.all([1, 2, 3].map(() => qmp.execute("query-status")));
  assert.equal(
    replies.map(({ status }) => status),
    ["for 2", "for 3", "for 4"],
  );
});

test("keeps QEMU's own words when a command fails", async ({ signal }) => {
  await using server = await startQmpServer({
    answer: ({ id }, peer) => peer.send({ id, error: { class: "GenericError", desc: "no way" } }),
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  const error = await failure(qmp.execute("cont"), "WL_QMP_COMMAND_FAILED");
  assert.equal(error.facts.detail, { command: "cont", class: "GenericError", desc: "no way" });
  assert.match(error.message, "no way");
});

test("refuses a reply that lacks a member", async ({ signal }) => {
  await using server = await startQmpServer({
    answer: ({ id }, peer) => peer.send({ id, return: { status: "running" } }),
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  const error = await failure(qmp.execute("query-status"), "WL_QMP_PROTOCOL");
  assert.match(error.message, '"running"');
});

test("gives a command up at its deadline and ignores the late reply", async ({ signal }) => {
  await using server = await startQmpServer({
    answer: ({ execute, id }, peer) => {
      if (execute === "stop") return;
      peer.send({ id: id - 1, return: {} });
      peer.send({ id, return: running });
    },
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  await failure(qmp.execute("stop", {}, { timeoutMs: 1 }), "WL_QMP_TIMEOUT");
  assert.equal(await qmp.execute("query-status"), running);
});

test("gives a command up when its signal is aborted", async () => {
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path });
  const controller = new AbortController();
  const reply = qmp.execute("stop", {}, { signal: controller.signal });
  await server.commanded("stop");
  const reason = new Error("enough");
  controller.abort(reason);
  assert.is(await reply.catch((error) => error), reason);
  assert.ok(qmp.connected);
});

test("sends nothing for a signal that is aborted already", async () => {
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path });
  const reason = new Error("before");
  const reply = qmp.execute("stop", {}, { signal: AbortSignal.abort(reason) });
  assert.is(await reply.catch((error) => error), reason);
  assert.is(server.received.length, 1);
});

test("fails everything that is pending when QEMU hangs up", async ({ signal }) => {
  await using server = await startQmpServer({
    answer: ({ execute }, peer) => execute === "quit" && peer.hangUp(),
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  const event = qmp.waitForEvent("SHUTDOWN", { signal });
  const events = qmp.events();
  await Promise.all([
    failure(qmp.execute("stop"), "WL_QMP_DISCONNECTED"),
    failure(qmp.execute("quit"), "WL_QMP_DISCONNECTED"),
    failure(event, "WL_QMP_DISCONNECTED"),
    failure(events.next(), "WL_QMP_DISCONNECTED"),
  ]);
  assert.is(qmp.connected, false);
  assert.is((await qmp.ended).code, "WL_QMP_DISCONNECTED");
  await failure(qmp.execute("stop"), "WL_QMP_DISCONNECTED");
  await failure(qmp.waitForEvent("STOP"), "WL_QMP_DISCONNECTED");
});

test("ends the connection at a line that is no QMP", async ({ signal }) => {
  await using server = await startQmpServer({ answer: (_command, peer) => peer.send("what?\n") });
  await using qmp = await connectQmp({ path: server.path, signal });
  await failure(qmp.execute("stop"), "WL_QMP_PROTOCOL");
  assert.is(qmp.connected, false);
});

test("ends the connection at a reply to a command it never sent", async ({ signal }) => {
  await using server = await startQmpServer({
    answer: (_command, peer) => peer.send({ return: {}, id: 4711 }),
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  await failure(qmp.execute("stop"), "WL_QMP_PROTOCOL");
});

test("catches an event that comes before the command's reply", async ({ signal }) => {
  await using server = await startQmpServer({
    answer: ({ id }, peer) => {
      peer.send(stopEvent);
      peer.send({ return: {}, id });
    },
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  const stopped = qmp.waitForEvent("STOP", { signal });
  await qmp.execute("stop");
  assert.is((await stopped).timeMs, 1000);
});

test("waits for the event that the predicate accepts", async ({ signal }) => {
  const shutdown = (reason: string): object => ({
    ...stopEvent,
    event: "SHUTDOWN",
    data: { guest: true, reason },
  });
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path, signal });
  const event = qmp.waitForEvent("SHUTDOWN", {
    signal,
    predicate: ({ data }) => data.reason === "guest-shutdown",
  });
  server.peer.send(stopEvent);
  server.peer.send(shutdown("guest-reset"));
  server.peer.send(shutdown("guest-shutdown"));
  assert.is((await event).data.reason, "guest-shutdown");
});

test("an event that nobody waits for any more raises nothing", async ({ signal }) => {
  await using server = await startQmpServer();
  const qmp = await connectQmp({ path: server.path, signal });
  void qmp.waitForEvent("SHUTDOWN");
  await qmp.close();
  await new Promise(setImmediate);
});

test("waiting for an event ends at its deadline", async ({ signal }) => {
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path, signal });
  await failure(qmp.waitForEvent("STOP", { timeoutMs: 1 }), "WL_QMP_TIMEOUT");
});

test("hands events on in order and stops when told", async ({ signal }) => {
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path, signal });
  const heard: string[] = [];
  const forget = qmp.listen(({ name }) => heard.push(name));
  const events = qmp.events();
  server.peer.send(stopEvent);
  server.peer.send({ ...stopEvent, event: "RESUME" });
  const names = [await events.next(), await events.next()].map(({ value }) => value?.name);
  assert.equal(names, ["STOP", "RESUME"]);
  assert.equal(heard, names);
  forget();
  server.peer.send(stopEvent);
  await events.next();
  assert.equal(heard, names);
  assert.is((await events.return?.())?.done, true);
});

test("a reader of events that falls behind is told, not skipped", async ({ signal }) => {
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path, signal });
  const events = qmp.events({ capacity: 2 });
  const third = new Promise<void>((resolve) => {
    let count = 0;
    qmp.listen(() => {
      count += 1;
      if (count === 3) resolve();
    });
  });
  for (let count = 0; count < 3; count += 1) server.peer.send(stopEvent);
  await third;
  assert.is((await events.next()).value?.name, "STOP");
  assert.is((await events.next()).value?.name, "STOP");
  await failure(events.next(), "WL_QMP_PROTOCOL");
  assert.is((await events.next()).done, true);
});

test("says so when nobody listens on the socket", async ({ signal }) => {
  const error = await failure(
    connectQmp({ path: "/nowhere/qmp.sock", signal }),
    "WL_QMP_DISCONNECTED",
  );
  assert.is(error.facts.detail?.["errno"], "ENOENT");
  assert.match(error.message, "/nowhere/qmp.sock");
});

test("refuses a socket path that the kernel would cut", async () => {
  const error = await failure(connectQmp({ path: `/${"x".repeat(107)}` }), "WL_QMP_DISCONNECTED");
  assert.match(error.message, "107 bytes");
});

test("does not wait for ever for a greeting", async ({ signal }) => {
  await using server = await startQmpServer({ greeting: "" });
  const error = await failure(
    connectQmp({ path: server.path, signal, timeoutMs: 20 }),
    "WL_QMP_TIMEOUT",
  );
  assert.match(error.facts.next ?? "", "another program");
});

test("refuses a server that is no QMP", async ({ signal }) => {
  await using server = await startQmpServer({ greeting: "220 mail ready\r\n" });
  await failure(connectQmp({ path: server.path, signal }), "WL_QMP_PROTOCOL");
});

test("connecting ends when its signal is aborted", async () => {
  await using server = await startQmpServer({ greeting: "" });
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  assert.is(await connectQmp({ path: server.path, signal }).catch((error) => error), reason);
  const controller = new AbortController();
  const connecting = connectQmp({ path: server.path, signal: controller.signal });
  controller.abort(reason);
  assert.is(await connecting.catch((error) => error), reason);
});

test("closes twice without complaint", async ({ signal }) => {
  await using server = await startQmpServer();
  await using qmp = await connectQmp({ path: server.path, signal });
  await qmp.close();
  await qmp.close();
  assert.equal(JSON.parse(JSON.stringify(qmp)), { path: server.path, connected: false });
});

test.run();
