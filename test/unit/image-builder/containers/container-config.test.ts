/** Configurations: each key is honoured, or refused in words when it is of another kind. */
import * as assert from "uvu/assert";
import {
  type ContainerConfig,
  parseConfig,
} from "../../../../image-builder/containers/container-config.ts";
import { Document } from "../../../../image-builder/containers/document.ts";
import { suite } from "../../../support/suite.ts";
import { AMD64, containerRefusal, type Json } from "./layout-fixture.ts";

const test = suite("container configurations");

/** A set as Go writes it. */
function names(count: number): Json {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index}`, {}]));
}

function parsed(config: Json | null): ContainerConfig {
  const document = { ...AMD64, rootfs: { diff_ids: [] }, config };
  return parseConfig(new Document("The image's configuration", document)).config;
}

test("one that says nothing has the defaults", () => {
  const nothing = {
    ...{ entrypoint: [], cmd: [], env: {}, user: "", workdir: "/", ports: [], volumes: [] },
    ...{ stopSignal: "SIGTERM", health: undefined },
  };
  assert.equal(parsed(null), nothing);
  const absent = { Entrypoint: null, Cmd: null, Env: null, Volumes: null, WorkingDir: "" };
  assert.equal(parsed(absent), nothing);
});

test("keys are read as Docker writes them", () => {
  const config = parsed({
    Env: ["A=b=c", "EMPTY=", "__proto__=x"],
    WorkingDir: "srv",
    ExposedPorts: { "80/tcp": {}, "53/UDP": {}, "7000-7001": {}, "9/sctp": {} },
    StopSignal: "3",
    Volumes: { "/data": {} },
    Healthcheck: { Test: ["CMD", "/check"], Interval: 5e9, Timeout: 2e9, Retries: 4 },
  });
  assert.equal(Object.entries(config.env), [
    ["A", "b=c"],
    ["EMPTY", ""],
    ["__proto__", "x"],
  ]);
  assert.equal([config.workdir, config.stopSignal, config.volumes], ["/srv", "SIGQUIT", ["/data"]]);
  const ports = config.ports.map(({ port, protocol }) => `${port}/${protocol}`);
  assert.equal(ports, ["80/tcp", "53/udp", "7000/tcp", "7001/tcp"]);
  assert.equal(config.health, {
    check: { kind: "exec", argv: ["/check"] },
    ...{ intervalMs: 5000, timeoutMs: 2000, retries: 4, startPeriodMs: 0 },
  });
});

test("an interval is no longer than a timer can wait", () => {
  const check = { Test: ["CMD", "/check"], Interval: Number.MAX_SAFE_INTEGER };
  assert.is(parsed({ Healthcheck: check }).health?.intervalMs, 2 ** 31 - 1);
});

test("ranges of ports are counted before they are made: of more than 1000 there are none", () => {
  const ranges = (keys: readonly string[]): Json =>
    Object.fromEntries(keys.map((key) => [key, {}])) as Json;
  const most = parsed({ ExposedPorts: ranges(["1-999/tcp", "53/udp", "1-65535/sctp"]) });
  assert.is(most.ports.length, 1000);
  assert.equal(parsed({ ExposedPorts: ranges(["1-999", "53/udp", "54/udp"]) }).ports, []);
  // As ports these would be 640 million: no memory has them.
  const many = Array.from({ length: 10_000 }, (_, index) => `${index + 1}-65535/tcp`);
  assert.equal(parsed({ ExposedPorts: ranges(many) }).ports, []);
});

test("what is of another kind is refused", async () => {
  const cases: readonly [Json, RegExp][] = [
    [{ Entrypoint: "/init" }, /"Entrypoint".* is no list/],
    [{ Cmd: [1] }, /"Cmd".* holds something that is no string/],
    [{ Cmd: ["a\0b"] }, /"Cmd".* holds a zero byte/],
    [{ Cmd: ["x".repeat(200_000)] }, /has 200000 bytes, Linux allows 131071/],
    [{ Env: Array(9000).fill(`A=${"x".repeat(100)}`) }, /variables have 945001 bytes, more than/],
    [{ Env: ["NAME"] }, /"NAME", which is no NAME=VALUE/],
    [{ Env: ["=x"] }, /which is no NAME=VALUE/],
    [{ Env: { A: "b" } }, /"Env".* is no list/],
    [{ User: 0 }, /"User".* is no string/],
    [{ WorkingDir: ["/"] }, /"WorkingDir".* is no string/],
    [{ WorkingDir: "/a\0b" }, /"WorkingDir".* holds a zero byte/],
    [{ Volumes: { "/a\0b": {} } }, /"Volumes".* holds a zero byte/],
    [{ ExposedPorts: ["80"] }, /"ExposedPorts".* is no JSON object/],
    [{ ExposedPorts: { http: {} } }, /exposes "http", which is no port/],
    [{ ExposedPorts: { "70000/tcp": {} } }, /exposes "70000\/tcp"/],
    [{ ExposedPorts: { "9-8": {} } }, /exposes "9-8"/],
    [{ ExposedPorts: names(10_001) }, /"ExposedPorts".* has 10001 names, more than 10000/],
    [{ Volumes: names(10_001) }, /"Volumes".* has 10001 names, more than 10000/],
    [{ StopSignal: "SIGNOTHING" }, /signal "SIGNOTHING", which is unknown/],
    [{ StopSignal: "SIGRTMIN+31" }, /which is unknown/],
    [{ StopSignal: "65" }, /which is unknown/],
    [{ StopSignal: "constructor" }, /which is unknown/],
    [{ Healthcheck: { Test: "curl" } }, /"Test".* is no list/],
    [{ Healthcheck: { Test: ["CMD", "a"], Interval: -1 } }, /"Interval".*not a whole number/],
  ];
  for (const [config, expected] of cases) {
    const message = await containerRefusal((async () => parsed(config))());
    assert.match(message, expected);
  }
  assert.match(await containerRefusal((async () => parsed([] as never))()), /no JSON object/);
});

test.run();
