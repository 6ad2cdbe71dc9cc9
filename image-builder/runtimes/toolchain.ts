/**
 * Compilers and build tools of this host: found in PATH and the usual folders, run with an argument
 * list and no shell, with bounded output. They end, with all that they started, when the build ends.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { ImageError } from "../errors.ts";
import { parseRange, parseVersion, satisfies } from "./semver-range.ts";

export interface Tool {
  /** Name of the executable. */
  readonly program: string;
  /** "Go" */
  readonly title: string;
  /** Debian package that has it. */
  readonly package: string;
  /** Where its own installer puts it, after PATH; "~" is the home folder. */
  readonly folders?: readonly string[];
}

export interface ToolRun {
  readonly cwd: string;
  /** Beside this process's own variables. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** A tool has ended with another status than 0. */
export class ToolFailure extends Error {
  /** The end of what it wrote to its error output. */
  readonly words: string;

  constructor(path: string, how: string, words: string) {
    super(`${path} ended with ${how}`);
    this.words = words;
  }
}

/** `cargo build` of a large project lists some thousand artifacts. */
const OUTPUT_MAX_BYTES = 64 << 20;
/** A compiler's first complaints say most; the tail alone would lose them in a large build. */
const WORDS_MAX_CHARACTERS = 256 << 10;
const SHOWN_LINES = 20;
const SHOWN_LINE_CHARACTERS = 240;

/** @returns the tool's absolute path, undefined when this host lacks it */
export function findTool(tool: Pick<Tool, "program" | "folders">): string | undefined {
  const own = (tool.folders ?? []).map((folder) => folder.replace(/^~(?=\/)/, homedir()));
  return [...(process.env["PATH"] ?? "").split(delimiter), ...own]
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, tool.program))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** @param subject what it is needed for: "build /home/me/shop" */
export function missingTool(tool: Tool, subject: string): ImageError {
  return new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `Cannot ${subject}: this host has no ${tool.program} (${tool.title})`,
    { next: `Install it: apt-get install --no-install-recommends ${tool.package}` },
  );
}

/** @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE unless the version is one that the manifest accepts */
export function checkToolVersion(title: string, version: string, range: string | undefined): void {
  if (range === undefined) return;
  const wanted = parseRange(range);
  const here = parseVersion(version);
  if (wanted && here && satisfies(here, wanted)) return;
  const why = wanted ? `this host has ${version}` : "that is no version range";
  throw new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `No ${title} satisfies ${JSON.stringify(range)}: ${why}`,
    { next: "Install that version, or change the runtime in the manifest" },
  );
}

/**
 * @returns what it wrote to standard output
 * @throws {ToolFailure} when its status is not 0; the signal's reason after its last process has ended
 */
export async function runTool(
  path: string,
  args: readonly string[],
  { cwd, environment, signal }: ToolRun,
): Promise<string> {
  signal?.throwIfAborted();
  // prctl(2), PR_SET_PDEATHSIG: a Windlass that is killed leaves no compiler behind.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", path, ...args], {
    cwd,
    env: { ...process.env, LC_ALL: "C", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a process group of its own
  });
  const kill = (): void => killGroup(child.pid);
  const output: Buffer[] = [];
  let outputBytes = 0;
  child.stdout.on("data", (bytes: Buffer) => {
    outputBytes += bytes.length;
    if (outputBytes <= OUTPUT_MAX_BYTES) output.push(bytes);
    else kill();
  });
  let words = "";
  const decoder = new StringDecoder();
  child.stderr.on("data", (bytes: Buffer) => {
    if (words.length < WORDS_MAX_CHARACTERS) words += decoder.write(bytes);
  });
  signal?.addEventListener("abort", kill, { once: true });
  try {
    const how = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", kill); // What outlives it would hold the pipes open.
      child.once("close", (status, by) => resolve(by ?? `status ${status}`));
    });
    signal?.throwIfAborted();
    const text = Buffer.concat(output).toString();
    if (how === "status 0") return text;
    throw new ToolFailure(path, how, words.trim() === "" ? text : words);
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // All ended already.
  }
}

/** The compiler refuses the project: an error with the compiler's own first lines. */
export function compileFailed(
  what: string,
  folder: string,
  failure: ToolFailure,
  next = "Correct what it names, then build again",
): ImageError {
  const lines = failure.words
    .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "")
    .replaceAll(/[^\P{Cc}\n\t]/gu, "")
    .split("\n")
    .map((line) => line.trimEnd().slice(0, SHOWN_LINE_CHARACTERS))
    .filter((line) => line !== "");
  const shown = lines.slice(0, SHOWN_LINES).map((line) => `\n  ${line}`);
  const rest = lines.length > SHOWN_LINES ? `\n  (${lines.length - SHOWN_LINES} more lines)` : "";
  const said = shown.length === 0 ? `: ${failure.message}` : `:${shown.join("")}${rest}`;
  return new ImageError(
    "WL_IMAGE_COMPILE_FAILED",
    `Cannot build ${JSON.stringify(folder)}: ${what} failed${said}`,
    { file: folder, next },
    failure,
  );
}
