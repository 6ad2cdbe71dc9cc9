/**
 * Which names of a project folder go into the image. From weakest to strongest: what Windlass leaves
 * out by itself, .windlassignore, `files.exclude`, `files.include`; the last rule that matches decides.
 *
 * Inside packages (node_modules) only rules that name node_modules count, and for linked packages what
 * Windlass leaves out by itself: a `dist/` meant for the project must not empty every package. A rule for
 * node_modules as a whole changes nothing, because the packages are chosen by what the program depends
 * on.
 */
import { join } from "node:path";
import type { Manifest } from "../manifest/manifest.ts";
import { readTextFile } from "../manifest/text-file.ts";
import { ignoreVerdict, parseIgnoreRule, parseIgnoreRules } from "./ignore-rules.ts";

const IGNORE_FILE = ".windlassignore";

/** Left out unless a rule says otherwise. `.env` files hold secrets; `--env-file` hands them over. */
const DEFAULT_RULES = [
  ".git",
  ".hg",
  ".svn",
  ".gitignore",
  ".gitattributes",
  ".npmrc",
  ".env",
  ".env.*",
  "!.env.example",
  "/windlass.yaml",
  "/windlass.yml",
  "/windlass.json",
  "/windlass.config.ts",
  `/${IGNORE_FILE}`,
  "npm-debug.log*",
  "yarn-error.log*",
  ".pnpm-debug.log*",
  ".DS_Store",
].join("\n");

/**
 * What node-gyp needed or left behind on the host. Without it an addon's folder is a fraction of the
 * size, and holds no path of the machine that built it.
 */
const ADDON_BUILD_FILE =
  /\.(?:c|cc|cpp|o|a)$|\/build\/(?:config\.gypi|(?:deps\/)?(?:[^/]*\.mk|(?:[^/]*\.)?Makefile))$/;
const ADDON_BUILD_FOLDER = /\/build\/Release\/(?:obj|obj\.target|\.deps)$/;

/** Sources that a bundle holds already. */
const TYPESCRIPT_RULES = ["*.ts", "*.mts", "*.cts", "*.tsx", "*.tsbuildinfo"].join("\n");

export interface ContentRules {
  /** Whether a name of the project's own tree stays out. */
  leavesOut(path: string, isDirectory: boolean): boolean;
  /**
   * The same for a name in a package; `path` still starts at the project folder.
   *
   * @param isLinked the package is somebody's working folder (a workspace, `npm link`) and not an
   *   installed one: it may hold `.env` and `.npmrc` like the project itself
   */
  leavesOutOfPackage(path: string, isDirectory: boolean, isLinked: boolean): boolean;
  /**
   * Include patterns that begin with the name of a folder: they reach into folders that are otherwise
   * not entered, such as node_modules. `start` is the folder that all matches lie in.
   */
  readonly reaching: readonly { readonly start: string; readonly pattern: RegExp }[];
}

/**
 * @param folder the project folder
 * @param isBundled the entry is TypeScript and becomes one file
 * @throws {ImageError} when .windlassignore cannot be read
 */
export function contentRules(folder: string, manifest: Manifest, isBundled: boolean): ContentRules {
  const { include, exclude } = manifest.files;
  const included = include.flatMap((pattern) => parseIgnoreRule(negate(pattern)) ?? []);
  const defaults = parseIgnoreRules(DEFAULT_RULES);
  const rules = [
    ...defaults,
    ...(isBundled ? parseIgnoreRules(TYPESCRIPT_RULES) : []),
    ...parseIgnoreRules(readTextFile(join(folder, IGNORE_FILE)) ?? ""),
    ...exclude.flatMap((pattern) => parseIgnoreRule(pattern) ?? []),
    ...included,
  ];
  const packageRules = rules.filter((rule) => /(^!?|\/)node_modules\/./.test(rule.source));
  const linkedRules = [...defaults, ...packageRules];
  return {
    leavesOut: (path, isDirectory) => ignoreVerdict(rules, path, isDirectory) === "ignored",
    leavesOutOfPackage(path, isDirectory, isLinked) {
      const applying = isLinked ? linkedRules : packageRules;
      const verdict = ignoreVerdict(applying, path, isDirectory);
      if (verdict !== undefined) return verdict === "ignored";
      return (isDirectory ? ADDON_BUILD_FOLDER : ADDON_BUILD_FILE).test(path);
    },
    reaching: included.flatMap((rule) => {
      const start = rule.negated ? literalFolder(rule.source.slice(1)) : undefined;
      return start === undefined ? [] : [{ start, pattern: rule.pattern }];
    }),
  };
}

/** The folders before the first name with a special character, or undefined when there are none. */
function literalFolder(pattern: string): string | undefined {
  const literal = pattern.replace(/^\//, "").split(/[*?[\\]/)[0] ?? "";
  const slash = literal.lastIndexOf("/");
  return slash < 1 ? undefined : literal.slice(0, slash);
}

/** "!PATTERN" in `include` leaves out again, as in an ignore file turned around. */
function negate(pattern: string): string {
  return pattern.startsWith("!") ? pattern.slice(1) : `!${pattern}`;
}
