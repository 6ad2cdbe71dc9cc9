/**
 * What `scripts.start` runs, when it comes down to node running one file. Words are read, nothing is
 * executed. Understood:
 *
 * | form                                            | becomes                                       |
 * |-------------------------------------------------|-----------------------------------------------|
 * | node [flags] FILE [args]                        | FILE with flags and args                      |
 * | tsx, ts-node, nodemon, bun ... FILE             | FILE (TypeScript is bundled)                  |
 * | K=V ..., env K=V ..., cross-env K=V ...         | environment                                   |
 * | BUILD && node FILE                              | FILE; building is the host's business         |
 * | npm run NAME, npm NAME                          | that script                                   |
 * | NAME args, NAME a package's own command (bin)   | the file behind that command                  |
 */
import { CommandLineError, splitCommandLine } from "./command-line.ts";

export interface StartScript {
  /** As written: relative to the folder, with or without extension; a `bin` name is left to resolve. */
  readonly file: string;
  readonly isBin: boolean;
  readonly nodeFlags: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What was left behind, and what to do instead. */
  readonly warnings: readonly string[];
}

/** Node's flags that take their value as the next word. */
const FLAGS_WITH_VALUE = new Set([
  "-r",
  "--require",
  "--import",
  "--loader",
  "--experimental-loader",
  "-C",
  "--conditions",
  "--title",
  "--icu-data-dir",
  "--openssl-config",
  "--diagnostic-dir",
  "--redirect-warnings",
  "--trace-event-categories",
  "--env-file",
  "--env-file-if-exists",
  "--watch-path",
  "--disable-warning",
  "--unhandled-rejections",
  "--dns-result-order",
  "--max-http-header-size",
]);

/** Flags that name a TypeScript loader: not needed once the entry is bundled. */
const LOADER = /^(tsx|ts-node|@swc-node\/register|esbuild-register|dotenv)(\/|$)/;
const TYPESCRIPT_RUNNERS = new Set(["tsx", "ts-node", "ts-node-esm", "swc-node", "ts-node-dev"]);
/** Tools that run a script again when a file changes; in an image nothing changes. */
const WATCHERS = new Set(["nodemon", "node-dev"]);
const MAX_INDIRECTIONS = 8;

/** @returns the start script, or the reason why it cannot be taken over */
export function readStartScript(
  scripts: Readonly<Record<string, string>>,
  name: string,
): StartScript | { readonly reason: string } {
  let current = name;
  const env: Record<string, string> = {};
  for (let step = 0; step < MAX_INDIRECTIONS; step += 1) {
    const line = scripts[current];
    if (line === undefined) return { reason: `there is no script ${JSON.stringify(current)}` };
    // Only what runs last stays running; the steps before it build.
    const last = line.split("&&").at(-1)?.trim() ?? "";
    let words: string[];
    try {
      words = splitCommandLine(last);
    } catch (error) {
      if (!(error instanceof CommandLineError)) throw error;
      return { reason: `${JSON.stringify(line)} cannot be read: ${error.message}` };
    }
    words = takeEnvironment(words, env);
    const [first, ...rest] = words;
    if (first === undefined) return { reason: `${JSON.stringify(line)} runs nothing` };
    if (["npm", "pnpm", "yarn"].includes(first)) {
      const target = rest[0] === "run" || rest[0] === "run-script" ? rest[1] : rest[0];
      if (target === undefined) return { reason: `${JSON.stringify(line)} runs no script` };
      current = target;
      continue;
    }
    return commandScript(first, rest, env, line);
  }
  return { reason: `scripts call each other more than ${MAX_INDIRECTIONS} times` };
}

function commandScript(
  first: string,
  rest: readonly string[],
  env: Record<string, string>,
  line: string,
): StartScript | { readonly reason: string } {
  if (first === "npx" && rest[0] !== undefined && !rest[0].startsWith("-")) {
    return commandScript(rest[0], rest.slice(1), env, line);
  }
  const isNode = first === "node";
  const isRunner = TYPESCRIPT_RUNNERS.has(first) || WATCHERS.has(first);
  if (!isNode && !isRunner) {
    const isBin = !first.includes("/");
    return { file: first, isBin, nodeFlags: [], args: rest, env, warnings: [] };
  }
  const nodeFlags: string[] = [];
  const warnings: string[] = [];
  let at = 0;
  for (; at < rest.length; at += 1) {
    const word = rest[at] ?? "";
    if (isRunner && (word === "watch" || word === "node")) continue;
    if (word === "--") {
      at += 1;
      break;
    }
    if (!word.startsWith("-") || word === "-") break;
    if (["-e", "--eval", "-p", "--print", "-c", "--check"].includes(word)) {
      return { reason: `${JSON.stringify(line)} runs no file` };
    }
    const takesValue = FLAGS_WITH_VALUE.has(word);
    const value = takesValue ? rest[at + 1] : word.slice(word.indexOf("=") + 1);
    if (takesValue) at += 1;
    if (word.startsWith("--env-file")) {
      // Such files hold secrets and stay out of images.
      warnings.push(`${value} is not read in the machine; use windlass run --env-file ${value}`);
      continue;
    }
    // A runner's own flags mean nothing to node.
    if (isRunner || /^--watch/.test(word) || (value !== undefined && LOADER.test(value))) continue;
    nodeFlags.push(word, ...(takesValue && value !== undefined ? [value] : []));
  }
  const file = rest[at];
  if (file === undefined) return { reason: `${JSON.stringify(line)} names no file` };
  return { file, isBin: false, nodeFlags, args: rest.slice(at + 1), env, warnings };
}

/** Takes leading assignments, and the tools that make them, off the front. */
function takeEnvironment(words: readonly string[], env: Record<string, string>): string[] {
  let at = 0;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (word === "cross-env" || word === "env" || word === "exec") continue;
    const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(word) ?? [];
    if (key === undefined) break;
    env[key] = value ?? "";
  }
  return words.slice(at);
}
