/**
 * What runs in the host VM of nested-host.ts: uses Windlass as a user of a host with KVM would, and
 * writes what came of each step to the machine's journal port, one JSON object a line. It judges
 * nothing; that is the test's part (test/integration/kvm.test.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { get } from "node:http";
import { text } from "node:stream/consumers";
import { JOURNAL_PORT } from "../../guest/api/channel.ts";
import { openVirtioPort } from "../../guest/init/virtio-port.ts";
import { loadNativeLibrary } from "../../guest/syscalls/koffi.ts";
import { networkInterfaces } from "../../guest/syscalls/network-interface.ts";
import { type CommandResult, NESTED, type NestedResults } from "./nested-host-steps.ts";

const CLI = `${NESTED.windlass}/dist/host-tools/cli/main.js`;
const NAME = "nested";
const PORT = 8080;
/** Loading the modules that check the agent's reply takes ten seconds here, and counts. */
const STOP_SECONDS = "60";

async function useWindlass(report: Report): Promise<void> {
  // Nobody else is in this host: a fixed port is free.
  const network = networkInterfaces(loadNativeLibrary());
  network.up("lo");
  network.close();

  report("doctor", await windlass("doctor", "--json"));
  const publish = ["-p", `${PORT}:${PORT}`];
  const run = await windlass("run", "-d", "--name", NAME, ...publish, "--json", NESTED.image);
  report("run", run);
  if (run.exitCode !== 0) throw new Error(`no guest: ${probes()}\n${guestConsole()}`);
  report("qemuArgv", argvOf(JSON.parse(run.stdout).pid));
  report("answer", await answerOf(PORT));
  report("kernelCommandLine", await windlass("api", NAME, "GET", "/os/cmdline"));
  const clock = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
  const script = `process.stdout.write(require("fs").readFileSync("${clock}"))`;
  report("exec", await windlass("exec", NAME, "--", "node", "-e", script));
  report("probesAfterRun", probes());
  report("stop", await windlass("stop", "-t", STOP_SECONDS, "--json", NAME));
  report("start", await windlass("start", NAME, "--json"));
  report("probesAfterStart", probes());
  report("remove", await windlass("rm", "-f", NAME));
  report("forcedTcg", await interrupted("run", "--rm", "--accelerator", "tcg", NESTED.image));
  report("list", await windlass("ps", "-a", "--json"));
}

type Report = <Step extends keyof NestedResults>(step: Step, result: NestedResults[Step]) => void;

async function windlass(...args: string[]): Promise<CommandResult> {
  return await resultOf(start(args), args);
}

/** Ctrl-C at its first word: `run` speaks when QEMU runs and is not accelerated. */
async function interrupted(...args: string[]): Promise<CommandResult> {
  const child = start(args);
  const result = resultOf(child, args);
  if (child.stderr) await Promise.race([once(child.stderr, "data"), result]);
  child.kill("SIGINT");
  return await result;
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

async function resultOf(child: ChildProcess, args: readonly string[]): Promise<CommandResult> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new TypeError("no pipes");
  const begin = performance.now();
  const [out, err, [exitCode]] = await Promise.all([
    text(stdout),
    text(stderr),
    once(child, "close"),
  ]);
  const durationMs = Math.round(performance.now() - begin);
  return { args, exitCode, stdout: out, stderr: err, durationMs };
}

function argvOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
}

/** What the guest's kernel said last. */
function guestConsole(): string {
  const folder = `${NESTED.home}/data/instances`;
  const paths = readdirSync(folder).map((id) => `${folder}/${id}/console.log`);
  return paths
    .map((path) => (existsSync(path) ? readFileSync(path, "latin1") : ""))
    .join("\n")
    .slice(-4000);
}

function probes(): string {
  return readFileSync(`${NESTED.home}/cache/accelerator-probes.json`, "utf8");
}

async function answerOf(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, agent: false }, (response) => {
      text(response).then(resolve, reject);
    });
    request.on("error", reject);
  });
}

const portFd = openVirtioPort(JOURNAL_PORT, "w");
if (portFd === undefined) throw new Error("there is no port to report to");
const report: Report = (step, result) => {
  const line = Buffer.from(`${JSON.stringify({ step, result })}\n`);
  for (let at = 0; at < line.length; ) at += writeSync(portFd, line, at);
};
const failure = await useWindlass(report).then(
  () => null,
  (error: Error) => String(error.stack),
);
report("failure", failure);
