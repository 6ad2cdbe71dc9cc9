/** How an example is tried: built as it is, booted, asked, stopped. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import type { Bootchart } from "../../host-tools/cli/bootchart.ts";
import type { CliHome } from "./cli-home.ts";

export const EXAMPLES = join(import.meta.dirname, "../../examples");
/** Of a program that SIGTERM ends: it has no handler. */
export const TERMINATED = 143;

export interface ServerExample {
  readonly example: string;
  readonly path?: string;
  /** What its answer has. */
  readonly expected: RegExp;
  /** How it ends when it is asked to, with SIGTERM; 0 unless it is said. */
  readonly stopStatus?: number;
  /** The agent comes before it, and has a place in its bootchart. */
  readonly isThread?: boolean;
}

/** @throws when the example does not build, does not answer as it should, or ends with another status */
export async function checkServer(
  home: CliHome,
  server: ServerExample,
  signal: AbortSignal,
): Promise<void> {
  const { example, stopStatus = 0, isThread = false } = server;
  const folder = await exampleProject(home, example, signal);
  await succeed(home, ["build", folder, "-t", example], signal);
  const { readiness, bootchart } = await start(home, server, ["--bootchart"], signal);
  assert.is(readiness, "ready");
  checkBootchart(bootchart, isThread);
  const [stopped] = JSON.parse(await succeed(home, ["stop", "--json", example], signal));
  assert.is(stopped.exitCode, stopStatus);
}

/**
 * Saves a machine of an image that is there, and starts a clone of it.
 *
 * @throws when there is none, or it does not answer as it should
 */
export async function checkClone(
  home: CliHome,
  server: ServerExample,
  signal: AbortSignal,
): Promise<void> {
  const { example } = server;
  await succeed(home, ["template", "create", example, "-t", example], signal);
  const { boot } = await start(home, server, [], signal);
  assert.is(boot.kind, "clone", boot.why);
  await succeed(home, ["kill", example], signal);
  await succeed(home, ["template", "rm", example], signal);
}

/** Runs its image in the background, and asks it. @returns what the command said */
async function start(
  home: CliHome,
  { example, path = "/", expected }: ServerExample,
  options: readonly string[],
  signal: AbortSignal,
) {
  const all = ["-d", "--rm", "--name", example, "-p", "8080", "--json", ...options];
  const started = JSON.parse(await succeed(home, ["run", ...all, example], signal));
  const [{ hostPort }] = started.ports;
  const reply = await fetch(`http://127.0.0.1:${hostPort}${path}`, { signal });
  assert.is(reply.status, 200);
  assert.match(await reply.text(), expected);
  return started;
}

async function succeed(
  home: CliHome,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const { exitCode, stdout, stderr } = await home.windlass(args, { signal });
  assert.is(exitCode, 0, stderr);
  return stdout;
}

/** It has every part of a boot, in their order, the guest's own parts too. */
function checkBootchart({ spans, totalMs }: Bootchart, isThread: boolean): void {
  const phases = ["prepare", "qemu", "firmware", "kernel", "init"];
  const last = [...(isThread ? ["agent"] : []), "program", "rest-api", "answer"];
  assert.equal(
    spans.map(({ phase }) => phase),
    [...phases, ...last],
  );
  // On a busy host the guest's kernel may be through before this command has heard of QEMU.
  for (const { phase, beginMs, endMs } of spans) assert.ok(beginMs <= endMs, phase);
  assert.ok(totalMs > 0);
  assert.is(spans.at(-1)?.endMs, totalMs);
}

/** A copy of the example with its dependencies installed. */
export async function exampleProject(
  home: CliHome,
  example: string,
  signal: AbortSignal,
): Promise<string> {
  const folder = join(home.folder, "projects", example);
  await cp(join(EXAMPLES, example), folder, {
    recursive: true,
    filter: (source) => !source.includes("node_modules"),
  });
  if (!existsSync(join(folder, "package-lock.json"))) return folder;
  const args = ["ci", "--no-audit", "--no-fund"];
  // Addons are compiled where no prebuilt one can be had: quickly, for one answer. The headers come with Node.
  const flags = { CFLAGS: "-O0", CXXFLAGS: "-O0" };
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, "include/node/node.h"));
  const env = { ...process.env, ...flags, ...(headers && { npm_config_nodedir: prefix }) };
  await promisify(execFile)("npm", args, { cwd: folder, env, signal }).catch((error) => {
    throw new Error(`npm ci failed in ${example}:\n${error.stderr}`);
  });
  return folder;
}
