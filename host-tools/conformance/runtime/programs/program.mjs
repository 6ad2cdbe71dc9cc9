/**
 * The runtime suite's program for Node.
 *
 *   program.mjs cases ID,ID,... "" "ü€😀" "a b"    gives verdicts, see cases.json
 *   program.mjs exit N | abort | output            is looked at from outside
 */
import { fork, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import dgram from "node:dgram";
import { lookup, Resolver } from "node:dns/promises";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import tls from "node:tls";
import { Worker } from "node:worker_threads";

const MIB = 1 << 20;
const { env } = process;
const file = new URL(import.meta.url).pathname;
const workerFile = new URL("worker.cjs", import.meta.url);

class Skip extends Error {}

function need(condition, what) {
  if (!condition) throw new Error(what);
}

function needCode(action, code) {
  try {
    action();
  } catch (error) {
    need(error.code === code, `${error.code} in place of ${code}`);
    return;
  }
  throw new Error(`no ${code}`);
}

/* threads */

async function workers(count, task, shared) {
  const all = Array.from({ length: count }, (_, index) => {
    const resourceLimits = { maxOldGenerationSizeMb: 16, stackSizeMb: 1 };
    return new Worker(workerFile, { workerData: { task, index, count, shared }, resourceLimits });
  });
  const results = all.map((worker) => once(worker, "message").then(([value]) => value));
  const values = await Promise.all(results);
  await Promise.all(all.map((worker) => worker.terminate()));
  return values;
}

const inOrder = (values) => values.every((value, index) => value === index);

/* network */

async function listening(server, ...where) {
  server.listen(...where);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "string"
    ? { path: address }
    : { host: address.address, port: address.port };
}

/** Sends 1 MiB to an echo server and looks at what comes back. */
async function echoOver(...where) {
  const server = net.createServer((socket) => socket.pipe(socket));
  const address = await listening(server, ...where);
  const client = net.connect(address);
  const sent = Buffer.from(Array.from({ length: MIB }, (_, index) => (index * 31) >> 3));
  client.end(sent);
  const chunks = [];
  for await (const chunk of client) chunks.push(chunk);
  server.close();
  need(Buffer.concat(chunks).equals(sent), "other bytes came back");
}

function resolver() {
  const one = new Resolver({ timeout: 2000, tries: 3 });
  one.setServers([`${env.CASE_HOST}:${env.CASE_DNS_PORT}`]);
  return one;
}

async function tlsLine(options) {
  const socket = tls.connect({ servername: env.CASE_TLS_NAME, ...options });
  let text = "";
  for await (const chunk of socket) text += chunk;
  return text;
}

async function signalSelf(signal) {
  const caught = once(process, signal).then(() => true);
  process.kill(process.pid, signal);
  // The wait also keeps the program alive: a handler alone does not.
  const done = new AbortController();
  const late = delay(5000, false, { signal: done.signal });
  late.catch(() => {});
  need(await Promise.race([caught, late]), "the handler did not run");
  done.abort();
}

const noWay = (what) => () => {
  throw new Skip(what);
};

const cases = {
  "start.argv": () => {
    need(
      JSON.stringify(process.argv.slice(4)) === JSON.stringify(["", "ü€😀", "a b"]),
      `${process.argv}`,
    );
  },
  "start.env": () => need(env.CASE_ENV === 'Grüße = "世界"', env.CASE_ENV),
  "start.cwd": () => need(process.cwd() === env.CASE_FILES, process.cwd()),
  "stdio.in": async () => {
    const chunks = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    need(bytes.length === 70_000, `${bytes.length} bytes`);
    need(
      bytes.every((byte, index) => byte === ((index * 7 + 3) & 0xff)),
      "other bytes",
    );
  },
  "thread.create": async () => {
    const values = await workers(64, "meet", new SharedArrayBuffer(8));
    need(new Set(values).size === 64, "not 64 of them");
  },
  "thread.tls": async () => {
    need(inOrder(await workers(4, "own", new SharedArrayBuffer(8))), "a value of another thread");
  },
  "thread.mutex": async () => {
    const shared = new SharedArrayBuffer(8);
    await workers(4, "count", shared);
    need(new Int32Array(shared)[1] === 400_000, `${new Int32Array(shared)[1]}`);
  },
  "thread.join.exit": async () => {
    const [value] = await workers(1, "result", new SharedArrayBuffer(8));
    need(value === 42, `${value}`);
  },
  "timer.sleep": async () => {
    const start = performance.now();
    await delay(50);
    const taken = performance.now() - start;
    need(taken >= 49 && taken < 5000, `${taken} ms`);
    return `${Math.round(taken)} ms`;
  },
  "timer.monotonic": () => {
    let last = process.hrtime.bigint();
    for (let turn = 0; turn < 20_000; turn++) {
      const next = process.hrtime.bigint();
      need(next >= last, "it went back");
      last = next;
    }
  },
  "timer.100": async () => {
    const fired = [];
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        delay((index + 1) * 2).then(() => fired.push(index)),
      ),
    );
    need(inOrder(fired), "out of order");
  },
  "time.tz": () => {
    const date = new Date(0);
    need(date.getHours() === 5 && date.getMinutes() === 30, date.toString());
  },
  rand: () => need(!randomBytes(32).equals(randomBytes(32)), "the same twice"),
  "dns.a": async () => {
    const found = await resolver().resolve4("present.conformance.test");
    need(found.join() === "192.0.2.33", found.join());
  },
  "dns.hosts": async () => {
    const { address } = await lookup("localhost", { family: 4 });
    need(address === "127.0.0.1", address);
  },
  "dns.nx": async () => {
    const found = await resolver()
      .resolve4("absent.conformance.test")
      .catch((error) => error.code);
    need(found === "ENOTFOUND", `${found}`);
  },
  "tcp.listen": async () => {
    const server = net.createServer();
    const { port } = await listening(server, 0, "127.0.0.1");
    server.close();
    need(port > 0, "no port");
  },
  "tcp.accept": async () => {
    const server = net.createServer();
    const client = net.connect(await listening(server, 0, "127.0.0.1"));
    const [socket] = await once(server, "connection");
    if (client.connecting) await once(client, "connect");
    need(socket.remotePort === client.localPort, "another peer");
    client.destroy();
    socket.destroy();
    server.close();
  },
  "tcp.echo": () => echoOver(0, "127.0.0.1"),
  "tcp.connect.refused": async () => {
    const server = net.createServer();
    const address = await listening(server, 0, "127.0.0.1");
    server.close();
    await once(server, "close");
    const [error] = await once(net.connect(address), "error").catch((caught) => [caught]);
    need(error.code === "ECONNREFUSED", error.code);
  },
  "tcp.backlog": async () => {
    // Node accepts when it comes to it: not before all of this turn's connections are made.
    const server = net.createServer((socket) => socket.end());
    const address = await listening(server, { port: 0, host: "127.0.0.1", backlog: 32 });
    const clients = Array.from({ length: 16 }, () => net.connect(address));
    await Promise.all(clients.map((client) => once(client.resume(), "close")));
    server.close();
  },
  "tcp.halfclose": async () => {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().once("end", () => socket.end("x"));
    });
    const client = net.connect({
      ...(await listening(server, 0, "127.0.0.1")),
      allowHalfOpen: true,
    });
    client.end();
    let text = "";
    for await (const chunk of client) text += chunk;
    server.close();
    need(text === "x", text);
  },
  "udp.echo": async () => {
    const [server, client] = [dgram.createSocket("udp4"), dgram.createSocket("udp4")];
    server.on("message", (bytes, from) => server.send(bytes, from.port, from.address));
    server.bind(0, "127.0.0.1");
    await once(server, "listening");
    client.send("datagram", server.address().port, "127.0.0.1");
    const [bytes] = await once(client, "message");
    server.close();
    client.close();
    need(bytes.toString() === "datagram", bytes.toString());
  },
  "ipv6.loopback": () => echoOver(0, "::1"),
  "unix.socket": () => echoOver("case.sock"),
  "tls.client": async () => {
    const to = { host: env.CASE_HOST, port: Number(env.CASE_TLS_PORT) };
    const text = await tlsLine({ ...to, ca: fs.readFileSync("ca.pem") });
    need(text === "hello over TLS\n", text);
    const other = await tlsLine({ ...to, ca: fs.readFileSync("other-ca.pem") }).catch(
      () => "refused",
    );
    need(other === "refused", "a server of another authority is trusted");
  },
  "tls.server": async () => {
    const keys = { key: fs.readFileSync("server.key"), cert: fs.readFileSync("server.pem") };
    const server = tls.createServer(keys, (socket) => socket.end("served"));
    const { port } = await listening(server, 0, "127.0.0.1");
    const text = await tlsLine({ host: "127.0.0.1", port, ca: fs.readFileSync("ca.pem") });
    server.close();
    need(text === "served", text);
  },
  "http.server": async () => {
    let connections = 0;
    const server = http.createServer((request, reply) => reply.end(request.url));
    server.on("connection", () => connections++);
    const { port } = await listening(server, 0, "127.0.0.1");
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const path of ["/one", "/two"]) {
      const [reply] = await once(http.get({ port, path, agent, host: "127.0.0.1" }), "response");
      let text = "";
      for await (const chunk of reply) text += chunk;
      need(text === path, text);
    }
    agent.destroy();
    server.close();
    need(connections === 1, `${connections} connections`);
  },
  "fs.create": () => {
    fs.closeSync(fs.openSync("created", "wx"));
    needCode(() => fs.openSync("created", "wx"), "EEXIST");
  },
  "fs.read": () => {
    fs.writeFileSync("read", "0123456789");
    const [bytes, fd] = [Buffer.alloc(4), fs.openSync("read", "r")];
    need(fs.readSync(fd, bytes, 0, 4, 3) === 4 && bytes.toString() === "3456", bytes.toString());
    need(fs.readSync(fd, bytes, 0, 4, 10) === 0, "bytes behind the end");
    fs.closeSync(fd);
  },
  "fs.append": () => {
    fs.writeFileSync("appended", "one");
    fs.appendFileSync("appended", "two");
    need(fs.readFileSync("appended", "utf8") === "onetwo", "not at the end");
  },
  "fs.rename": () => {
    fs.writeFileSync("from", "new");
    fs.writeFileSync("to", "old");
    fs.renameSync("from", "to");
    need(fs.readFileSync("to", "utf8") === "new" && !fs.existsSync("from"), "not replaced");
  },
  "fs.unlink": () => {
    fs.writeFileSync("gone", "still");
    const fd = fs.openSync("gone", "r");
    fs.unlinkSync("gone");
    needCode(() => fs.openSync("gone", "r"), "ENOENT");
    need(fs.readFileSync(fd, "utf8") === "still", "not readable any more");
    fs.closeSync(fd);
  },
  "fs.mkdir": () => {
    fs.mkdirSync("folder");
    needCode(() => fs.mkdirSync("folder"), "EEXIST");
    fs.writeFileSync("folder/file", "");
    needCode(() => fs.rmdirSync("folder"), "ENOTEMPTY");
    fs.rmSync("folder/file");
    fs.rmdirSync("folder");
  },
  "fs.readdir": () => {
    fs.mkdirSync("many");
    for (let index = 0; index < 100; index++) fs.writeFileSync(`many/${index}`, "");
    const names = fs.readdirSync("many");
    need(names.length === 100 && new Set(names).size === 100, `${names.length} names`);
  },
  "fs.stat": () => {
    fs.writeFileSync("looked-at", "12345");
    fs.chmodSync("looked-at", 0o640);
    const found = fs.statSync("looked-at");
    need(
      found.isFile() && found.size === 5 && (found.mode & 0o777) === 0o640,
      "size, kind or mode",
    );
    need(Math.abs(found.mtimeMs - Date.now()) < 5000, "time");
  },
  "fs.symlink": () => {
    fs.writeFileSync("target", "content");
    fs.symlinkSync("target", "link");
    need(fs.readlinkSync("link") === "target", "another target");
    need(fs.readFileSync("link", "utf8") === "content", "not followed");
  },
  "fs.trunc": () => {
    fs.writeFileSync("cut", "abcdef");
    fs.truncateSync("cut", 2);
    fs.truncateSync("cut", 4);
    need(fs.readFileSync("cut", "latin1") === "ab\0\0", "other bytes");
  },
  "fs.fsync": () => {
    const fd = fs.openSync("synced", "w");
    fs.writeSync(fd, "bytes");
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  },
  "fs.locks": noWay("Node has no file locks"),
  "fs.ro": () => {
    for (const line of fs.readFileSync("/proc/self/mounts", "utf8").split("\n")) {
      const [, path, , options = ""] = line.split(" ");
      const isFolder = path && fs.statSync(path, { throwIfNoEntry: false })?.isDirectory();
      if (!/^ro(,|$)/.test(options) || !isFolder) continue;
      needCode(() => fs.openSync(`${path}/windlass-case`, "w"), "EROFS");
      return path;
    }
    throw new Skip("nothing is mounted read-only");
  },
  "fs.tmp": () => {
    const folder = fs.mkdtempSync("/tmp/windlass-case-");
    fs.rmdirSync(folder);
  },
  "mmap.anon": noWay("Node has no mmap"),
  "mmap.file": noWay("Node has no mmap"),
  "mmap.shared": noWay("Node has no mmap"),
  "mmap.code": noWay("Node has no mmap"),
  "sig.term": () => signalSelf("SIGTERM"),
  "sig.int": () => signalSelf("SIGINT"),
  "sig.usr1": () => signalSelf("SIGUSR1"),
  "sig.alarm": noWay("Node has no alarm"),
  "sig.pipe": async () => {
    const server = net.createServer((socket) => socket.destroy());
    // Otherwise the client may see the end first, and close without an error.
    const client = net.connect({
      ...(await listening(server, 0, "127.0.0.1")),
      allowHalfOpen: true,
    });
    const [error] = await Promise.all([
      once(client, "error").then(([caught]) => caught),
      (async () => {
        while (!client.destroyed) {
          client.write("x");
          await delay(1);
        }
      })(),
    ]);
    server.close();
    need(["EPIPE", "ECONNRESET"].includes(error.code), error.code);
  },
  "proc.spawn": () => {
    const { status } = spawnSync(process.execPath, [file, "exit", "7"]);
    need(status === 7, `${status}`);
  },
  "proc.fork": async () => {
    const child = fork(file, ["child"], { env });
    child.send(41);
    const [value] = await once(child, "message");
    child.disconnect();
    need(value === 42, `${value}`);
  },
  "proc.self": () => {
    need(fs.realpathSync("/proc/self/exe") === fs.realpathSync(process.execPath), "another exe");
    need(/^processor/m.test(fs.readFileSync("/proc/cpuinfo", "utf8")), "cpuinfo");
    need(/^MemTotal/m.test(fs.readFileSync("/proc/meminfo", "utf8")), "meminfo");
  },
  "mem.limit": () => {
    const bytes = Buffer.alloc(64 * MIB, 7);
    need(bytes[64 * MIB - 1] === 7, "other bytes");
  },
  "mem.oom": () => {
    try {
      new ArrayBuffer(2 ** 46);
    } catch (error) {
      return need(error instanceof RangeError, `${error}`);
    }
    throw new Error("64 TiB were had");
  },
  "cpu.count": () => {
    if (env.CASE_CPUS === undefined) throw new Skip("nobody said how many there are to be");
    need(os.availableParallelism() === Number(env.CASE_CPUS), `${os.availableParallelism()}`);
  },
  "rlimit.nofile": () => {
    const files = Array.from({ length: 400 }, () => fs.openSync("/dev/null", "r"));
    for (const fd of files) fs.closeSync(fd);
  },
  "locale.utf8": () => {
    need([..."ü€😀"].length === 3 && Buffer.byteLength("ü€😀") === 9, "other lengths");
    fs.writeFileSync("ü€😀", "");
    need(fs.readdirSync(".").includes("ü€😀"), "another name");
  },
  dlopen: () => {
    need(typeof createRequire(file)(`${env.CASE_FILES}/library.node`) === "object", "not loaded");
  },
  "gc.stress": () => {
    const kept = [];
    for (let total = 0, turn = 0; total < 200 * MIB; turn++) {
      const slot = (turn * 31) % 1000;
      need(kept[slot] === undefined || kept[slot].slot === slot, "another object");
      const text = `${turn}`.repeat(10) + turn;
      kept[slot] = { slot, text, list: new Array(100).fill(turn) };
      total += 1000;
    }
  },
};

async function runCases(ids) {
  const counts = { PASS: 0, FAIL: 0, SKIP: 0 };
  for (const id of ids) {
    let [verdict, detail] = ["PASS", ""];
    try {
      detail = (await cases[id]()) ?? "";
    } catch (error) {
      verdict = error instanceof Skip ? "SKIP" : "FAIL";
      detail = String(error?.message ?? error).split("\n")[0];
    }
    counts[verdict]++;
    fs.writeSync(1, `CASE ${id} ${verdict} ${detail}\n`);
  }
  fs.writeSync(1, `SUMMARY ${ids.length} ${counts.PASS} ${counts.FAIL} ${counts.SKIP}\n`);
}

async function main([mode, word = ""]) {
  if (mode === "cases") {
    await runCases(word.split(","));
    process.exit(0);
  }
  if (mode === "exit") {
    fs.writeSync(1, `NOW ${Date.now()}\n`);
    process.exit(Number(word));
  }
  if (mode === "abort") process.abort();
  if (mode === "output") {
    process.stderr.write("to standard error\n");
    process.stdout.write("abcdefghijklmnopqrstuvwxyz".repeat(40330).slice(0, MIB));
    return;
  }
  if (mode === "child") {
    process.once("message", (value) => process.send(value + 1));
    return;
  }
  process.stderr.write("usage: program.mjs cases IDS | exit N | abort | output\n");
  process.exitCode = 2;
}

await main(process.argv.slice(2));
