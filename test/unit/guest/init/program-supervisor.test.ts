/** The supervisor with real child processes of this machine, run as this very user. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { ExitRecord, JournalRecord } from "../../../../guest/api/journal.ts";
import type { ProgramPort, ProgramSpec } from "../../../../guest/api/program.ts";
import { ProgramSupervisor } from "../../../../guest/init/program-supervisor.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("program supervisor");

interface Rig extends AsyncDisposable {
  readonly supervisor: ProgramSupervisor;
  readonly records: JournalRecord[];
  readonly environment: Record<string, string>;
  /** How often `onEnded` was called. */
  readonly endings: () => number;
  /** Ports that the program is seen to listen on. */
  readonly ports: ProgramPort[];
  /** Waits for the first record of that kind, past or to come, that fits. */
  record<K extends JournalRecord["kind"]>(
    kind: K,
    fits?: (record: Extract<JournalRecord, { kind: K }>) => boolean,
  ): Promise<Extract<JournalRecord, { kind: K }>>;
  /** The final exit. */
  end(): Promise<ExitRecord>;
  /** All that was written to a stream. */
  text(stream: "stdout" | "stderr"): string;
}

interface RigOptions {
  readonly spec?: Partial<ProgramSpec>;
  readonly kernelLog?: () => string;
  readonly resolveUser?: () => { uid: number; gid: number; home?: string };
  readonly memory?: { totalMib: number; availableMib: number };
  readonly prepare?: () => void;
  readonly socketCounts?: () => string;
}

/** A supervisor of a shell script; whatever it started is ended with the rig. */
function rig(script: string, options: RigOptions = {}): Rig {
  const records: JournalRecord[] = [];
  const wakes = new Set<() => void>();
  const environment: Record<string, string> = { PATH: process.env["PATH"] ?? "" };
  const ports: ProgramPort[] = [];
  let endings = 0;
  const keep = (record: JournalRecord): void => {
    records.push(record);
    for (const wake of wakes) wake();
  };
  const me = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, home: "/home/me" };
  const supervisor = new ProgramSupervisor({
    spec: {
      argv: ["/bin/sh", "-c", script],
      env: {},
      workdir: "/",
      user: "me",
      ports: [],
      restart: { policy: "no", maxRetries: 0 },
      onExit: "keep",
      stopSignal: "SIGTERM",
      isNode: false,
      ...options.spec,
    },
    environment,
    prepare: options.prepare,
    resolveUser: options.resolveUser ?? (() => me),
    record: keep,
    output: keep,
    listeningPorts: () => [...ports],
    socketCounts: options.socketCounts ?? (() => `${ports.length}`),
    loopbackPorts: () => [],
    kernelLog: options.kernelLog ?? (() => ""),
    parent: () => null,
    memory: () => options.memory ?? { totalMib: 250, availableMib: 200 },
    uptimeMs: () => 1,
    onEnded: () => {
      endings += 1;
    },
  });
  const find: Rig["record"] = async (kind, fits = () => true) => {
    for (;;) {
      for (const record of records) {
        if (record.kind === kind && fits(record as never)) return record as never;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          wakes.delete(wake);
          resolve();
        };
        wakes.add(wake);
      });
    }
  };
  return {
    supervisor,
    records,
    environment,
    ports,
    endings: () => endings,
    record: find,
    end: () => find("exit", ({ final }) => final),
    text: (stream) =>
      records
        .map((one) => (one.kind === "output" && one.stream === stream ? one.text : ""))
        .join(""),
    [Symbol.asyncDispose]: () => supervisor.stop({ timeoutMs: 0 }),
  };
}

test("output and exit status are reported, output first", async () => {
  await using program = rig("echo out; echo err >&2; exit 7");
  program.supervisor.start();
  const { exitCode, signal, reason } = await program.end();
  assert.equal({ exitCode, signal, reason }, { exitCode: 7, signal: null, reason: null });
  assert.is(program.text("stdout"), "out\n");
  assert.is(program.text("stderr"), "err\n");
  assert.is(program.records.at(-1)?.kind, "exit");
  assert.is(program.endings(), 1);
  const status = program.supervisor.status();
  assert.is(status.state, "exited");
  assert.is(status.exitCode, 7);
  assert.is(status.pid, null);
  assert.ok(status.startedAt && status.finishedAt);
});

test("what cannot be made ready is why the program does not start, until it can", async () => {
  const problems = ["no disk yet", "no disk"];
  await using program = rig("echo started", {
    spec: { restart: { policy: "on-failure", maxRetries: 3 } },
    prepare: () => {
      const problem = problems.pop();
      if (problem !== undefined) throw new Error(problem);
    },
  });
  program.supervisor.start();
  const first = await program.record("exit");
  assert.equal([first.exitCode, first.reason, first.final], [127, "no disk", false]);
  const { exitCode } = await program.end();
  assert.is(exitCode, 0);
  assert.is(program.text("stdout"), "started\n");
  assert.equal(
    program.records.flatMap((one) => (one.kind === "exit" ? [one.reason] : [])),
    ["no disk", "no disk yet", null],
  );
});

test("the last words of a program that ends at once are all there", async () => {
  await using program = rig("head -c 300000 /dev/zero | tr '\\0' x; exit 1");
  program.supervisor.start();
  await program.end();
  assert.is(program.text("stdout").length, 300_000);
});

test("a character that is cut in two by the pipe arrives whole, others as U+FFFD", async () => {
  await using program = rig("printf '\\303'; sleep 0.05; printf '\\274\\n\\377\\n'");
  program.supervisor.start();
  await program.end();
  assert.is(program.text("stdout"), "ü\n\ufffd\n");
});

test("a signal that ends the program is named", async () => {
  await using program = rig("kill -SEGV $$");
  program.supervisor.start();
  const { exitCode, signal } = await program.end();
  assert.equal({ exitCode, signal }, { exitCode: null, signal: "SIGSEGV" });
});

test("a run ends with all that it started in its process group", async () => {
  await using folder = await temporaryFolder();
  const alive = join(folder.path, "alive");
  execFileSync("mkfifo", [alive]);
  // The pipe ends when nobody has it open for writing any more.
  const ended = once(createReadStream(alive).resume(), "end");
  await using program = rig(`exec 3> ${alive}; sleep 1000 & exit 3`);
  program.supervisor.start();
  assert.is((await program.end()).exitCode, 3);
  await ended;
});

test("a grandchild that keeps the pipes open does not delay the report", async () => {
  await using program = rig("setsid sleep 1000 & echo $!; exit 3");
  program.supervisor.start();
  assert.is((await program.end()).exitCode, 3);
  process.kill(Number(program.text("stdout")), "SIGKILL");
});

test("what cannot be started ends with 127 and the reason in words", async () => {
  const cases: [RigOptions, RegExp][] = [
    [{ spec: { argv: ["/nonexistent/x"] } }, /^Cannot start "\/nonexistent\/x": .*ENOENT/],
    [{ spec: { argv: ["/etc/passwd"] } }, /^Cannot start "\/etc\/passwd": .*EACCES/],
    [{ spec: { workdir: "/no/folder" } }, /there is no folder "\/no\/folder" to run it in/],
    [{ spec: { workdir: "/etc/passwd" } }, /there is no folder "\/etc\/passwd" to run it in/],
    [{ spec: { argv: ["/bin/sh", "a\0b"] } }, /null bytes/],
    [
      {
        resolveUser: () => {
          throw new Error('There is no user "web" in the image');
        },
      },
      /There is no user "web"/,
    ],
  ];
  for (const [options, words] of cases) {
    await using program = rig("true", options);
    program.supervisor.start();
    const { exitCode, reason } = await program.end();
    assert.is(exitCode, 127);
    assert.match(reason ?? "", words);
    assert.is(program.supervisor.status().state, "exited");
    assert.is(program.endings(), 1);
  }
});

test("the program's folder, environment and home are as asked; changes reach the next run", async () => {
  await using folder = await temporaryFolder();
  await using program = rig('echo "$PWD $HOME $WORD"', { spec: { workdir: folder.path } });
  program.environment["WORD"] = "one";
  program.supervisor.start();
  await program.end();
  assert.is(program.text("stdout"), `${folder.path} /home/me one\n`);
  program.environment["WORD"] = "two";
  program.environment["HOME"] = "/other";
  await program.supervisor.restart({ signal: new AbortController().signal });
  await program.record("output", ({ text }) => text === `${folder.path} /other two\n`);
});

test("Node alone gets the preload file and V8's heap limit, and the user's own flags stand", async () => {
  const large = { totalMib: 16_384, availableMib: 16_000 };
  const optionsOf = async (own: string | undefined, isNode: boolean, memory = large) => {
    await using program = rig('echo "$NODE_OPTIONS"', { spec: { isNode }, memory });
    if (own !== undefined) program.environment["NODE_OPTIONS"] = own;
    program.supervisor.start();
    await program.end();
    return program.text("stdout").trim();
  };
  const preload = "--require=/usr/lib/windlass/preload.cjs";
  const both = `${preload} --max-old-space-size=12000`;
  assert.is(await optionsOf(undefined, true), both);
  assert.is(await optionsOf("--no-warnings", true), `${both} --no-warnings`);
  assert.is(await optionsOf("--max_old_space_size=9", true), `${preload} --max_old_space_size=9`);
  assert.is(await optionsOf(undefined, false), "");
  assert.is(await optionsOf(undefined, true, { totalMib: 1000, availableMib: 900 }), preload);
});

test("a program that fails is started again, as often as was asked", async () => {
  const restart = { policy: "on-failure", maxRetries: 2 } as const;
  await using program = rig("exit 5", { spec: { restart } });
  program.supervisor.start();
  await program.end();
  const exits = program.records.flatMap((one) => (one.kind === "exit" ? [one.final] : []));
  assert.equal(exits, [false, false, true]);
  assert.is(program.supervisor.status().restarts, 2);
  assert.is(program.endings(), 1);
});

test("a success ends the policy on-failure, but not the policy always", async () => {
  await using once_ = rig("exit 0", { spec: { restart: { policy: "on-failure", maxRetries: 0 } } });
  once_.supervisor.start();
  assert.is((await once_.record("exit")).final, true);
  await using ever = rig("exit 0", { spec: { restart: { policy: "always", maxRetries: 0 } } });
  ever.supervisor.start();
  assert.is((await ever.record("exit")).final, false);
  assert.is(ever.supervisor.status().state, "backoff");
  await ever.supervisor.stop({ timeoutMs: 1000 });
  assert.is(ever.supervisor.status().state, "exited");
});

test("also what cannot be started is tried again", async () => {
  const restart = { policy: "always", maxRetries: 1 } as const;
  await using program = rig("", { spec: { argv: ["/nonexistent"], restart } });
  program.supervisor.start();
  await program.end();
  assert.is(program.records.filter(({ kind }) => kind === "exit").length, 2);
});

test("stopping sends the stop signal and waits; there is no restart", async () => {
  const script = "trap 'echo asked; exit 9' INT; echo ready; while :; do sleep 0.02; done";
  const restart = { policy: "always", maxRetries: 0 } as const;
  await using program = rig(script, { spec: { stopSignal: "SIGINT", restart } });
  program.supervisor.start();
  await program.record("output", ({ text }) => text === "ready\n");
  await program.supervisor.stop({ timeoutMs: 20_000 });
  const { exitCode, final } = await program.record("exit");
  assert.equal({ exitCode, final }, { exitCode: 9, final: true });
  assert.is(program.endings(), 0, "whoever asked for the end sees to the machine");
  await program.supervisor.stop({ timeoutMs: 1000 });
});

test("the stop signal may be a real-time one", async () => {
  const script = "trap 'exit 7' SIGRTMIN+3; echo ready; while :; do sleep 0.02; done";
  const argv = ["/bin/bash", "-c", script];
  await using program = rig("", { spec: { argv, stopSignal: "SIGRTMIN+3" } });
  program.supervisor.start();
  await program.record("output", ({ text }) => text === "ready\n");
  await program.supervisor.stop({ timeoutMs: 20_000 });
  assert.is((await program.record("exit")).exitCode, 7);
});

test("a program that does not listen to its stop signal is killed", async () => {
  for (const stopSignal of ["SIGTERM", "SIGNOTHING"]) {
    const script = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
    await using program = rig(script, { spec: { stopSignal } });
    program.supervisor.start();
    await program.record("output");
    await program.supervisor.stop({ timeoutMs: 50 });
    assert.is((await program.end()).signal, "SIGKILL");
  }
});

test("any signal can be sent to the program; without one it says no", async () => {
  const script = "trap 'echo hup' HUP; echo ready; while :; do sleep 0.02; done";
  await using program = rig(script);
  assert.is(program.supervisor.signal("SIGHUP"), false);
  assert.is(program.supervisor.signal("SIGRTMIN+3"), false);
  program.supervisor.start();
  await program.record("output", ({ text }) => text === "ready\n");
  assert.is(program.supervisor.signal("SIGHUP"), true);
  await program.record("output", ({ text }) => text === "hup\n");
  await program.supervisor.stop({ timeoutMs: 0 });
  assert.is(program.supervisor.signal("SIGHUP"), false);
});

test("a restart is a new process, with its policy in force again", async () => {
  const restart = { policy: "on-failure", maxRetries: 1 } as const;
  await using program = rig("echo $$; exec sleep 1000", { spec: { restart } });
  const { signal } = new AbortController();
  program.supervisor.start();
  await program.record("output");
  await program.supervisor.stop({ timeoutMs: 5000 });
  await program.supervisor.restart({ signal });
  await program.record(
    "output",
    ({ text }) => text !== (program.records[1] as { text: string }).text,
  );
  const { pid, restarts } = program.supervisor.status();
  assert.is(restarts, 1);
  assert.is(Number(program.text("stdout").trim().split("\n").at(-1)), pid);
  program.supervisor.signal("SIGKILL");
  const exits = (): ExitRecord[] => program.records.filter((one) => one.kind === "exit");
  await program.record("exit", (one) => one === exits()[1]);
  assert.is(exits()[1]?.final, false, "a failure after the restart is tried again");
});

test("restarts and stops at once come one after the other and leave one program or none", async () => {
  await using program = rig("echo $$; exec sleep 1000");
  const { signal } = new AbortController();
  program.supervisor.start();
  const changes = [1, 2, 3].map(() => program.supervisor.restart({ signal }));
  await Promise.all(changes);
  assert.is(program.supervisor.status().restarts, 3);
  const stopped = [
    program.supervisor.restart({ signal }),
    program.supervisor.stop({ timeoutMs: 0 }),
  ];
  await Promise.all(stopped);
  assert.is(program.supervisor.status().state, "exited");
  // One that was ended before it said its number leaves no line.
  const pids = program.text("stdout").split("\n").filter(Boolean).map(Number);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
});

test("a restart that nobody waits for any more is done all the same", async () => {
  await using program = rig("exec sleep 1000");
  program.supervisor.start();
  const stop = new AbortController();
  const restarted = program.supervisor.restart({ signal: stop.signal });
  await Promise.resolve();
  stop.abort();
  await restarted;
  assert.is(program.supervisor.status().state, "running");
  const refused = await program.supervisor.restart({ signal: stop.signal }).catch((error) => error);
  assert.is(refused, stop.signal.reason);
  assert.is(program.supervisor.status().state, "running", "and nothing was stopped");
});

test("standard input is a pipe when it was asked for", async () => {
  const { signal } = new AbortController();
  await using program = rig("cat; echo end", { spec: { openStdin: true } });
  program.supervisor.start();
  const write = (text: string, end = false): Promise<void> =>
    program.supervisor.writeStdin(Buffer.from(text), { end, signal });
  await write("one\n");
  await write("");
  await write("two\n", true);
  await program.end();
  assert.is(program.text("stdout"), "one\ntwo\nend\n");
  assert.match(String(await write("late").catch((error) => error)), /standard input is closed/);
});

test("an empty last write closes the input", async () => {
  const { signal } = new AbortController();
  await using program = rig("cat; echo end", { spec: { openStdin: true } });
  program.supervisor.start();
  await program.supervisor.writeStdin(Buffer.alloc(0), { end: true, signal });
  await program.end();
  assert.is(program.text("stdout"), "end\n");
});

test("a program that closes its input is no failure of the agent", async () => {
  const { signal } = new AbortController();
  const script = "exec 0<&-; echo closed; exec sleep 1000";
  await using program = rig(script, { spec: { openStdin: true } });
  program.supervisor.start();
  await program.record("output");
  const big = Buffer.alloc(1024 * 1024);
  const error = await program.supervisor.writeStdin(big, { end: false, signal }).then(
    () => undefined,
    (caught) => caught,
  );
  assert.match(String(error), /EPIPE|closed/);
  assert.is(program.supervisor.status().state, "running");
});

test("a write that the program does not read can be given up", async () => {
  await using program = rig("exec sleep 1000", { spec: { openStdin: true } });
  program.supervisor.start();
  const stop = new AbortController();
  const big = Buffer.alloc(4 * 1024 * 1024);
  const written = program.supervisor.writeStdin(big, { end: false, signal: stop.signal });
  stop.abort(new Error("given up"));
  assert.match(String(await written.catch((error) => error)), /given up/);
});

test("without the pipe the program reads an end of file", async () => {
  await using program = rig("cat; echo end");
  program.supervisor.start();
  await program.end();
  assert.is(program.text("stdout"), "end\n");
  const refused = await program.supervisor
    .writeStdin(Buffer.from("x"), { end: false, signal: new AbortController().signal })
    .catch((error) => error);
  assert.match(String(refused), /closed/);
});

test("a program that the kernel killed for memory is told what to do", async () => {
  let pid = 0;
  const kernelLog = (): string => `[1.0] Out of memory: Killed process ${pid} (sh) total-vm:1kB\n`;
  await using program = rig("exec sleep 1000", { kernelLog });
  program.supervisor.start();
  pid = program.supervisor.status().pid ?? 0;
  program.supervisor.signal("SIGKILL");
  assert.match((await program.end()).reason ?? "", /raise memory to 512 MiB/);
});

test("a kernel log that cannot be read does not hide the end", async () => {
  const kernelLog = (): string => {
    throw new Error("EPERM");
  };
  await using program = rig("kill -9 $$", { kernelLog });
  program.supervisor.start();
  assert.is((await program.end()).signal, "SIGKILL");
});

test("the program may be killed for memory before the agent is", async () => {
  await using program = rig("cat /proc/self/oom_score_adj");
  program.supervisor.start();
  await program.end();
  const own = Number(await readFile("/proc/self/oom_score_adj", "utf8"));
  assert.ok(Number(program.text("stdout")) >= Math.min(own, 0));
});

test("ready means that the declared ports answer", async () => {
  const declared: ProgramPort[] = [
    { port: 80, protocol: "tcp" },
    { port: 53, protocol: "udp" },
  ];
  await using program = rig("exec sleep 1000", { spec: { ports: declared } });
  program.supervisor.start();
  await program.record("phase", ({ phase }) => phase === "program-started");
  program.ports.push({ port: 80, protocol: "tcp" }, { port: 53, protocol: "tcp" });
  assert.is(program.supervisor.status().ready, false);
  program.ports.push({ port: 53, protocol: "udp" });
  await program.record("phase", ({ phase }) => phase === "ready");
  const phases = program.records.flatMap((one) => (one.kind === "phase" ? [one.phase] : []));
  assert.equal(phases, ["program-started", "program-listening", "ready"]);
  assert.is(program.supervisor.status().ready, true);
});

test("without declared ports any port will do; without any there is no readiness", async () => {
  await using program = rig("exec sleep 1000");
  program.supervisor.start();
  assert.is(program.supervisor.status().ready, false);
  program.ports.push({ port: 1234, protocol: "tcp" });
  await program.record("phase", ({ phase }) => phase === "ready");
  await program.supervisor.stop({ timeoutMs: 0 });
  assert.is(program.supervisor.status().ready, false);
  assert.equal(program.supervisor.status().listening, []);
});

test("a port that took the place of another socket is found too", async () => {
  await using program = rig("exec sleep 1000", { socketCounts: () => "always one" });
  program.supervisor.start();
  await program.record("phase", ({ phase }) => phase === "program-started");
  program.ports.push({ port: 1234, protocol: "tcp" });
  await program.record("phase", ({ phase }) => phase === "ready");
});

test("with a health check, ready means that it passed", async () => {
  let status = 500;
  const server = createServer((_request, response) => {
    response.statusCode = status;
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const health = {
    check: { kind: "http" as const, port, path: "/" },
    ...{ intervalMs: 5, timeoutMs: 5000, retries: 1, startPeriodMs: 0 },
  };
  await using program = rig("exec sleep 1000", { spec: { health } });
  program.supervisor.start();
  program.ports.push({ port, protocol: "tcp" });
  const notice = await program.record("notice");
  assert.is(notice.level, "warning");
  assert.match(notice.text, /health: unhealthy: HTTP status 500/);
  assert.is(program.supervisor.status().ready, false);
  status = 200;
  await program.record("phase", ({ phase }) => phase === "ready");
  assert.is(program.supervisor.status().health, "healthy");
  server.close();
  server.closeAllConnections();
});

test("settled is when the program listens or has ended, or when the time is over", async () => {
  await using ended = rig("exit 0");
  ended.supervisor.start();
  await ended.supervisor.settled(600_000);
  assert.is(ended.supervisor.status().state, "exited");
  await ended.supervisor.settled(600_000);
  await using silent = rig("exec sleep 1000");
  silent.supervisor.start();
  await silent.supervisor.settled(5);
  assert.is(silent.supervisor.status().state, "running");
  const listens = silent.supervisor.settled(600_000);
  silent.ports.push({ port: 1, protocol: "tcp" });
  await listens;
});

test.run();
