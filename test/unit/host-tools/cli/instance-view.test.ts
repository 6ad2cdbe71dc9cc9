import * as assert from "uvu/assert";
import { instanceView, portText, statusText } from "../../../../host-tools/cli/instance-view.ts";
import type { InstanceRecord } from "../../../../host-tools/instance/instance-record.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/instance-view");

const record: InstanceRecord = {
  schemaVersion: 1,
  id: "0123456789ab",
  name: "web",
  imageId: "f".repeat(64),
  imageName: "hello:latest",
  createdAt: "2026-01-01T00:00:00.000Z",
  macAddress: "52:57:00:00:00:01",
  tokens: { admin: "secret-admin", monitor: "secret-monitor" },
  options: {
    memoryMib: 256,
    vcpuCount: 1,
    accelerator: "auto",
    publish: [],
    address: "static",
    autoRemove: false,
    program: {
      argv: ["/usr/local/bin/node", "/app/server.js"],
      env: {},
      workdir: "/app",
      user: "0",
      ports: [],
      restart: { policy: "no", maxRetries: 0 },
      onExit: "poweroff",
      stopSignal: "SIGTERM",
      isNode: true,
    },
  },
};
const launch: NonNullable<InstanceRecord["launch"]> = {
  startedAt: "2026-01-01T00:00:10.000Z",
  accelerator: "tcg",
  acceleratorReason: "emulating (tcg): as asked",
  process: { pid: 42, startTicks: 1, bootId: "b" },
  agentPort: 40_000,
  forwards: [{ protocol: "udp", hostAddress: "0.0.0.0", hostPort: 5353, guestPort: 53 }],
  journalOffset: 0,
};
const end: NonNullable<InstanceRecord["end"]> = {
  finishedAt: "2026-01-01T00:01:00.000Z",
  exitCode: 7,
  signal: null,
  reason: null,
};
const now = Date.parse("2026-01-01T00:03:00.000Z");

test("shows what is, not what was", () => {
  const created = instanceView({ record, state: "created" });
  assert.is(created.startedAt, null);
  assert.is(statusText(created, now), "Created");

  const running = instanceView({ record: { ...record, launch, end }, state: "running" });
  assert.is(running.pid, 42);
  const suspended = instanceView({ record: { ...record, launch, end }, state: "suspended" });
  assert.equal(suspended, { ...running, state: "suspended" });
  assert.is(statusText(suspended, now), `${statusText(running, now)} (Suspended)`);
  assert.is(running.exitCode, null, "an earlier end is over");
  assert.equal(running.ports, launch.forwards);
  assert.is(statusText(running, now), "Up 2 minutes");

  const exited = instanceView({ record: { ...record, launch, end }, state: "exited" });
  assert.is(exited.pid, null);
  assert.equal(exited.ports, [], "its ports are free again");
  assert.is(exited.exitCode, 7);
  assert.is(statusText(exited, now), "Exited (7) 2 minutes ago");
});

test("has the members that scripts rely on, and no token", () => {
  const view = instanceView({ record: { ...record, launch }, state: "running" });
  const members = "id name image state exitCode createdAt startedAt finishedAt ports accelerator";
  for (const member of `${members} pid memoryMib vcpuCount`.split(" ")) {
    assert.ok(member in view, member);
  }
  assert.not.match(JSON.stringify(view), "secret");
});

test("writes ports as Docker does", () => {
  assert.is(launch.forwards.map(portText).join(), "0.0.0.0:5353->53/udp");
});

test.run();
