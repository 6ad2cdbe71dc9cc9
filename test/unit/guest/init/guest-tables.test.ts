/** The small readers of kernel and user tables, and the words for how a program ended. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { maskOf } from "../../../../guest/api/network-structures.ts";
import { exitReason, heapLimitMib } from "../../../../guest/init/exit-reason.ts";
import { Journal } from "../../../../guest/init/journal.ts";
import { kernelLogLine, readKernelLog } from "../../../../guest/init/kernel-log.ts";
import { listeningPorts, loopbackPorts } from "../../../../guest/init/listening-ports.ts";
import { resolveUser } from "../../../../guest/init/user-database.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("guest tables");

const HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n";
const line = (local: string, state: string): string =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1\n`;
const EMPTY = { tcp: HEADER, tcp6: HEADER, udp: HEADER, udp6: HEADER };

test("listening ports come once each, TCP before UDP, in order", () => {
  const tables = {
    tcp: HEADER + line("0100007F:1F90", "0A") + line("00000000:0050", "0A"),
    tcp6: HEADER + line("00000000000000000000000000000000:0050", "0A"),
    udp: HEADER + line("00000000:0035", "07"),
    udp6: HEADER + line("00000000000000000000000000000000:0035", "07"),
  };
  assert.equal(listeningPorts(tables), [
    { port: 80, protocol: "tcp" },
    { port: 8080, protocol: "tcp" },
    { port: 53, protocol: "udp" },
  ]);
});

test("a port is loopback-only when none of its sockets is reached from outside", () => {
  const loopback6 = "00000000000000000000000001000000";
  const mapped = "0000000000000000FFFF00000100007F";
  const tables = {
    ...EMPTY,
    tcp: HEADER + line("0100007F:1F90", "0A") + line("0100007F:0050", "0A"),
    tcp6:
      HEADER +
      line("00000000000000000000000000000000:0050", "0A") +
      line(`${loopback6}:1F90`, "0A") +
      line(`${mapped}:0051`, "0A"),
    udp: HEADER + line("0F02000A:0035", "07"),
  };
  assert.equal(loopbackPorts(tables), [
    { port: 81, protocol: "tcp" },
    { port: 8080, protocol: "tcp" },
  ]);
});

test("connected sockets do not listen; a kernel without IPv6 has empty tables", () => {
  const tcp = HEADER + line("0100007F:1F90", "01") + line("0100007F:1F91", "06");
  const udp = HEADER + line("0100007F:1F90", "01");
  assert.equal(listeningPorts({ tcp, udp, tcp6: "", udp6: "" }), []);
});

test("hostile tables give valid ports or none", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (local, rest) => {
      for (const { port } of listeningPorts({ ...EMPTY, tcp: HEADER + line(local, "0A") + rest })) {
        assert.ok(port > 0);
      }
    }),
  );
});

test("this machine's own tables show a listener", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(socket, "listening")]);
  const table = (name: string): string => readFileSync(`/proc/net/${name}`, "latin1");
  const found = listeningPorts({ tcp: table("tcp"), tcp6: "", udp: table("udp"), udp6: "" });
  const { port } = server.address() as AddressInfo;
  assert.ok(found.some((one) => one.port === port && one.protocol === "tcp"));
  assert.ok(found.some((one) => one.port === socket.address().port && one.protocol === "udp"));
  server.close();
  socket.close();
});

const PASSWD =
  "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n7:x:8:9::/seven:\n";
const GROUP = "root:x:0:\nstaff:x:50:node\n";

test("a user is found by name or number, with home and group", () => {
  const find = (user: string) => resolveUser(user, PASSWD, GROUP);
  assert.equal(find("root"), { uid: 0, gid: 0, home: "/root" });
  const node = { uid: 1000, gid: 1001, home: "/home/node", groups: [50] };
  assert.equal(find("node"), node);
  assert.equal(find("1000"), node);
  assert.equal(find("node:staff"), { uid: 1000, gid: 50, home: "/home/node" });
  assert.equal(find("node:77"), { uid: 1000, gid: 77, home: "/home/node" });
  assert.equal(find("4242"), { uid: 4242, gid: 0 });
  assert.equal(find("4242:4343"), { uid: 4242, gid: 4343 });
  assert.equal(find("7"), { uid: 8, gid: 9, home: "/seven" }, "a name goes before a number");
});

test("a user has the groups that name it, unless a group is named", () => {
  const group = `${GROUP}audio:x:29:node,web\nnodes:x:30:nodejs\nvideo:x:44:web,node\nown:x:1001:node\nempty:x:31:\n`;
  const find = (user: string) => resolveUser(user, PASSWD, group).groups;
  assert.equal(find("node"), [50, 29, 44]);
  assert.equal(find("1000"), [50, 29, 44]);
  assert.is(find("node:staff"), undefined);
  assert.is(find("4242"), undefined, "who has no name is in none");
  assert.is(resolveUser("root", PASSWD, "audio:x:29:root\n").groups, undefined);
  const odd =
    "a:x:4294967295:node\nb:x:99999999999:node\nc:x::node\nd:x:-1:node\nd:x:29:node\nd:x:29:node\n";
  assert.equal(resolveUser("node", PASSWD, odd).groups, [29]);
  const many = Array.from({ length: 1025 }, (_, id) => `g${id}:x:${5000 + id}:node\n`).join("");
  assert.throws(() => resolveUser("node", PASSWD, many), /"node" is in 1025 groups, over 1024/);
});

test("unknown users and groups are refused by name", () => {
  const refused = (user: string, words: RegExp): void => {
    assert.throws(() => resolveUser(user, PASSWD, GROUP), words);
  };
  refused("nobody", /There is no user "nobody" in the image/);
  refused("", /There is no user ""/);
  refused("-1", /no user "-1"/);
  refused("node:wheel", /There is no group "wheel" in the image/);
  refused("node:", /no group ""/);
});

test("a number that no user can have is no user", () => {
  assert.throws(() => resolveUser("4294967295", PASSWD, GROUP), /no user "4294967295"/);
  assert.throws(() => resolveUser("4294967296:5", PASSWD, GROUP), /no user/);
  assert.throws(() => resolveUser("1:4294967296", PASSWD, GROUP), /no group "4294967296"/);
});

test("a broken line of the user database gives nobody root's rights", () => {
  assert.throws(() => resolveUser("web", "web:x::\nweb2\n", ""), /no user "web"/);
  assert.throws(() => resolveUser("root:web", PASSWD, "web:x:\n"), /no group "web"/);
});

test("a mask has as many ones as the prefix is long", () => {
  assert.is(maskOf(0), "0.0.0.0");
  assert.is(maskOf(24), "255.255.255.0");
  assert.is(maskOf(32), "255.255.255.255");
  for (let prefix = 0; prefix <= 32; prefix += 1) {
    const bits = maskOf(prefix)
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"));
    assert.is(bits.join(""), "1".repeat(prefix).padEnd(32, "0"));
  }
  for (const bad of [-1, 33, Number.NaN]) assert.throws(() => maskOf(bad), RangeError);
});

test("a kernel log record becomes a line of dmesg", () => {
  assert.is(
    kernelLogLine("6,339,5140900,-;NET: Registered\n SUBSYSTEM=x\n"),
    "[    5.140900] NET: Registered\n",
  );
  assert.is(kernelLogLine("30,1,0,c,caller=T1;a; b\n"), "[    0.000000] a; b\n");
});

test("the kernel's log is read to its end", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("kmsg");
  await writeFile(path, "6,1,1000000,-;one\n");
  assert.is(readKernelLog(path), "[    1.000000] one\n");
  assert.throws(() => readKernelLog(folder.file("missing")), /ENOENT/);
});

const end = {
  pid: 42,
  exitCode: 1,
  signal: null,
  lastErrors: "",
  kernelLog: () => "",
  memoryMib: 250,
};

test("a program that the kernel killed for memory is told so", () => {
  const log = "[  9.1] Out of memory: Killed process 42 (node) total-vm:1kB\n";
  const killed = { ...end, exitCode: null, signal: "SIGKILL", kernelLog: () => log };
  assert.is(
    exitReason(killed),
    "Out of memory: the kernel killed the program; raise memory to 512 MiB",
  );
  const group = { ...killed, kernelLog: () => log.replace("Out of", "Memory cgroup out of") };
  assert.match(exitReason(group) ?? "", /the kernel killed the program/);
  for (const other of [4, 421, 142]) assert.is(exitReason({ ...killed, pid: other }), undefined);
  // Somebody else's SIGTERM at the same time is not the kernel's doing.
  assert.is(exitReason({ ...killed, signal: "SIGTERM" }), undefined);
});

test("the kernel's log is asked only when the program was killed", () => {
  const kernelLog = (): string => assert.unreachable("was asked") as never;
  assert.is(exitReason({ ...end, kernelLog }), undefined);
  assert.is(exitReason({ ...end, exitCode: null, signal: "SIGSEGV", kernelLog }), undefined);
});

test("V8's and libc's own words about memory are understood, a success needs none", () => {
  const heap =
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n";
  const aborted = { ...end, exitCode: null, signal: "SIGABRT", lastErrors: heap };
  assert.match(exitReason(aborted) ?? "", /JavaScript heap is full; raise memory to 512 MiB/);
  const refused = { ...end, lastErrors: "Error: spawn ENOMEM\n" };
  assert.match(exitReason(refused) ?? "", /the kernel refused an allocation/);
  assert.is(exitReason({ ...refused, exitCode: 0 }), undefined);
  assert.is(exitReason({ ...end, lastErrors: "no room left" }), undefined);
});

test("a scratch disk that the host cannot write is told from other failures to write", () => {
  const log = "[    5.0] I/O error, dev vdc, sector 32304 op 0x1:(WRITE) flags 0x4800\n";
  for (const lastErrors of ["Error: EIO: i/o error, fsync\n", "EROFS: read-only file system"]) {
    const failed = { ...end, lastErrors, kernelLog: () => log };
    assert.match(exitReason(failed) ?? "", /could not read or write the scratch disk/);
    assert.is(exitReason({ ...failed, kernelLog: () => "" }), undefined);
    assert.is(exitReason({ ...failed, lastErrors: "ENOENT" }), undefined);
  }
});

test("V8's heap limit is set where its default is far from what the machine has", () => {
  assert.is(heapLimitMib(218, 150), 112);
  assert.is(heapLimitMib(512, 400), undefined);
  assert.is(heapLimitMib(2048, 1900), undefined);
  assert.is(heapLimitMib(16_384, 16_000), 12_000);
});

test("the journal gets every record as a line, the console what people read", async () => {
  await using folder = await temporaryFolder();
  const port = openSync(folder.file("port"), "w");
  const console = openSync(folder.file("console"), "w");
  const journal = new Journal(port, console);
  const timeMs = 1;
  const text = 'a "line" \u2028 ü\n';
  journal.write({ kind: "output", timeMs, stream: "stdout", text });
  journal.write({ kind: "notice", timeMs, level: "info", text: "note" });
  journal.write({ kind: "phase", timeMs, phase: "init", uptimeMs: 5 });
  const lines = (await readFile(folder.file("port"), "utf8")).trimEnd().split("\n");
  assert.equal(
    lines.map((one) => JSON.parse(one).kind),
    ["output", "notice", "phase"],
  );
  assert.is(JSON.parse(lines[0] ?? "").text, text);
  await contentBecomes(folder.file("console"), `${text}windlass: note\n`);
  closeSync(port);
  closeSync(console);
});

test("what a slow console cannot take is left out, and said", async () => {
  await using folder = await temporaryFolder();
  const console = openSync(folder.file("console"), "w");
  const journal = new Journal(undefined, console);
  const text = `${"x".repeat(9_999)}\n`;
  // Nothing is written before this turn ends: the queue of 64 KiB fills up.
  for (let count = 0; count < 10; count += 1) {
    journal.write({ kind: "output", timeMs: 1, stream: "stdout", text });
  }
  await contentBecomes(folder.file("console"), text.repeat(6));
  journal.write({ kind: "output", timeMs: 1, stream: "stdout", text: "end\n" });
  const leftOut = "[windlass: 40000 bytes left out here]\n";
  await contentBecomes(folder.file("console"), `${text.repeat(6)}${leftOut}end\n`);
  closeSync(console);
});

test("a console that refuses does not keep the agent busy", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("console"), "");
  const readOnly = openSync(folder.file("console"), "r");
  const journal = new Journal(undefined, readOnly);
  const used = process.cpuUsage();
  journal.write({ kind: "output", timeMs: 1, stream: "stdout", text: "lost\n" });
  const pending = (): string[] =>
    process.getActiveResourcesInfo().filter((name) => name === "FSReqCallback");
  // A retry would go on for ever and keep this process from ending; the turns bound the test.
  for (let turn = 0; turn < 200_000 && pending().length > 0; turn += 1) {
    await new Promise((done) => setImmediate(done));
  }
  assert.equal(pending(), [], `after ${process.cpuUsage(used).user} us`);
  closeSync(readOnly);
});

/** Waits for what is written in the background; the test's deadline bounds it. */
async function contentBecomes(path: string, expected: string): Promise<void> {
  let found = "";
  for (let turn = 0; turn < 5000 && found !== expected; turn += 1) {
    found = await readFile(path, "utf8");
  }
  assert.is(found, expected);
}

test.run();
