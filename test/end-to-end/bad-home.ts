/** What the tests of bad input share: a home, projects in it, and a look at what a command left behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as assert from "uvu/assert";
import { type CliHome, type CliResult, cliHome } from "./cli-home.ts";

/** A command that hangs is a failed test, not a hanging one. */
const COMMAND_TIMEOUT_MS = 90_000;
const POLL_INTERVAL_MS = 20;
/** util-linux's: runs a command as the user nobody, whose number is 65534 everywhere. */
export const AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
export const isRoot = process.getuid?.() === 0;

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Words before `windlass`: ["setpriv", ...]. */
  readonly wrapper?: readonly string[];
}

export interface RunningCommand {
  readonly pid: number;
  /** What it has written so far, both streams. */
  readonly text: () => string;
  /** Waits until it has written that. */
  until(pattern: RegExp): Promise<void>;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<CliResult>;
  readonly done: Promise<CliResult>;
}

export interface BadHome extends AsyncDisposable {
  readonly home: CliHome;
  /** Path of a file of the home, made with its folders. */
  file(path: string, content: string | Uint8Array): Promise<string>;
  /** A project: a package.json of its own name unless given, and a program. */
  project(name: string, files?: Readonly<Record<string, string>>): Promise<string>;
  start(args: readonly string[], options?: CommandOptions): RunningCommand;
  run(args: readonly string[], options?: CommandOptions): Promise<CliResult>;
  /**
   * Runs a command that must fail: with that status, with one message that says all of it and the next
   * step, in at most a few lines, and with nothing left behind.
   */
  refuses(
    args: readonly string[],
    says: readonly RegExp[],
    options?: CommandOptions & { readonly exitCode?: 1 | 2 },
  ): Promise<CliResult>;
  /** Instances, pins, sockets, unfinished files and processes, all of this home. */
  remains(): Promise<string[]>;
}

/**
 * A home whose temporary files are in it as well.
 *
 * @param options as of `cliHome`
 */
export async function badHome(options?: { readonly empty: boolean }): Promise<BadHome> {
  const home = await cliHome(options);
  const temporary = join(home.folder, "tmp");
  await mkdir(temporary);
  home.environment["TMPDIR"] = temporary;
  delete home.environment["NO_COLOR"];

  const file: BadHome["file"] = async (path, content) => {
    const whole = join(home.folder, path);
    await mkdir(dirname(whole), { recursive: true });
    await writeFile(whole, content);
    return whole;
  };
  const start: BadHome["start"] = (args, options) => startCommand(home, args, options);
  const remains: BadHome["remains"] = () => remainsOf(home.folder);
  return {
    home,
    file,
    async project(name, files = {}) {
      const folder = join(home.folder, "projects", name);
      await rm(folder, { recursive: true, force: true });
      const all = {
        "package.json": JSON.stringify({ name }),
        "index.js": "console.log(1)",
        ...files,
      };
      for (const [path, content] of Object.entries(all)) {
        await file(relative(home.folder, join(folder, path)), content);
      }
      return folder;
    },
    start,
    run: (args, options) => start(args, options).done,
    async refuses(args, says, { exitCode = 1, ...options } = {}) {
      const before = await remains();
      const result = await start(args, options).done;
      checkRefusal(args, result, says, exitCode);
      assert.equal(await remains(), before, `windlass ${args.join(" ")}`);
      return result;
    },
    remains,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]();
    },
  };
}

/** One message that says all of it, one next step, and that status. */
export function checkRefusal(
  args: readonly string[],
  { exitCode, stderr }: CliResult,
  says: readonly RegExp[],
  expectedCode: number,
): void {
  const text = `windlass ${args.join(" ")}: ${exitCode}\n${stderr}`;
  assert.is(exitCode, expectedCode, text);
  assert.is(stderr.match(/^error\[WL_[A-Z_]+\]: /gm)?.length, 1, `one message: ${text}`);
  assert.is(stderr.match(/^next: [^ ].*$/gm)?.length, 1, `one next step: ${text}`);
  assert.not.match(stderr, /WL_INTERNAL|undefined|\[object/, text);
  for (const words of says) assert.match(stderr, words, text);
}

function startCommand(
  home: CliHome,
  args: readonly string[],
  { env = {}, wrapper = [] }: CommandOptions = {},
): RunningCommand {
  const words = [...wrapper, join(home.folder, "bin/windlass"), ...args];
  const [program = "", ...rest] = words;
  const child = spawn(program, rest, {
    cwd: home.folder,
    env: { ...home.environment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: COMMAND_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const done = once(child, "close").then(([code, signal]): CliResult => {
    const exitCode = typeof code === "number" ? code : -1;
    return { exitCode, stdout, stderr: signal ? `${stderr}\n(ended by ${signal})` : stderr };
  });
  const text = (): string => stdout + stderr;
  return {
    pid: child.pid ?? 0,
    text,
    done,
    async until(pattern) {
      const isOver = done.then(() => true);
      while (!pattern.test(text())) {
        if (await Promise.race([isOver, delay(POLL_INTERVAL_MS, false)])) {
          if (pattern.test(text())) return;
          throw new Error(`windlass ${args.join(" ")} ended before ${pattern}:\n${text()}`);
        }
      }
    },
    async end(signal) {
      child.kill(signal);
      return await done;
    },
  };
}

/** Waits until something holds, by looking every 20 ms; the suite's deadline ends it. */
export async function until(holds: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await holds())) await delay(POLL_INTERVAL_MS, undefined, { signal });
}

async function remainsOf(folder: string): Promise<string[]> {
  const names = async (path: string): Promise<string[]> =>
    (await readdir(join(folder, path)).catch(() => [])).map((name) => `${path}/${name}`);
  const found = [
    ...(await names("data/instances")).filter((path) => !path.endsWith(".lock")),
    ...(await names("data/pins")),
    ...(await names("run/windlass")),
    ...(await names("tmp")),
  ];
  for (const path of ["data", "cache"]) {
    const all = await readdir(join(folder, path), { recursive: true }).catch(() => []);
    found.push(...all.filter((name) => /(^|\/)\.(new|record|staging)-|\.partial$/.test(name)));
  }
  return [...found, ...(await processesOf(folder))].sort();
}

/** Every process that was started with this home, however deep. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    if (!environment.split("\0").includes(`WINDLASS_HOME=${folder}`)) continue;
    const words = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
    if (words !== "") found.push(`process ${pid} ${words.replaceAll("\0", " ").slice(0, 80)}`);
  }
  return found;
}
