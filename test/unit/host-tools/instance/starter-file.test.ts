import * as assert from "uvu/assert";
import type { InstanceDocument } from "../../../../guest/api/instance-document.ts";
import { starterFile } from "../../../../host-tools/instance/starter-file.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("starter file");

const document: InstanceDocument = {
  version: 1,
  id: "0123456789ab",
  name: "web",
  hostname: "web",
  tokens: [{ role: "admin", sha256: "ab".repeat(32) }],
  network: {
    mode: "static",
    address: "10.0.2.15/24",
    gateway: "10.0.2.2",
    nameservers: ["10.0.2.3"],
  },
  program: {
    argv: ["/usr/local/bin/node", "/app/server.js", "two words"],
    env: { PATH: "/bin", GREETING: "hello" },
    workdir: "/app",
    user: "0",
    ports: [],
    restart: { policy: "no", maxRetries: 0 },
    onExit: "poweroff",
    stopSignal: "SIGTERM",
    isNode: true,
  },
};

type Changes = Partial<Omit<InstanceDocument, "program">> & {
  readonly program?: Partial<InstanceDocument["program"]>;
};

function starter({ program, ...changes }: Changes = {}, memoryMib = 384): string {
  const changed = { ...document, ...changes, program: { ...document.program, ...program } };
  return Buffer.from(starterFile(changed, memoryMib)).toString("latin1");
}

test("has the program as the guest would start it, and where", () => {
  const text = starter();
  assert.is(text.slice(1, 4), "ELF");
  for (const word of ["/app/server.js", "two words", "GREETING=hello", "HOME=/root", "/app"]) {
    assert.ok(text.includes(`${word}\0`), word);
  }
  assert.ok(text.includes("NODE_OPTIONS=--require=/usr/lib/windlass/preload.cjs\0"));
  assert.ok(text.includes("127.0.0.1 localhost web\n"));
  assert.ok(text.includes("nameserver 10.0.2.3\n"));
});

test("has no token, not even what is known of one", () => {
  assert.not(starter().includes("abab"));
});

test("a machine without a network has none there either", () => {
  const text = starter({ network: { mode: "none" } });
  assert.is(text.slice(1, 4), "ELF");
  assert.not(text.includes("nameserver"));
});

test("is empty when something has to come before the program, or goes with it", () => {
  const others: readonly (readonly [string, Changes, number?])[] = [
    ["a lease", { network: { mode: "dhcp" } }],
    ["a disk", { scratch: { path: "/data" } }],
    ["a name", { program: { user: "node" } }],
    ["another group", { program: { user: "0:1000" } }],
    ["its input", { program: { openStdin: true } }],
    ["a heap limit", {}, 256],
    ["a heap limit", {}, 8192],
  ];
  for (const [what, changes, memoryMib] of others) {
    assert.is(starter(changes, memoryMib), "", what);
  }
  for (const user of ["root", "0:0", "root:root"])
    assert.not.equal(starter({ program: { user } }), "");
  assert.not.equal(starter({ program: { isNode: false } }, 256), "", "no Node, no heap limit");
});

test.run();
