/** Ruby: the interpreter of this host, its library, the gems of the Gemfile, and the project. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { folderContent } from "../project/project-folder.ts";
import { TreeWalk } from "../project/tree-walk.ts";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import { executableEntry } from "./closure-entries.ts";
import { extensionModules, walkFollowing } from "./python-library.ts";
import { readWantedGems } from "./ruby-gemfile.ts";
import {
  findRuby,
  type InstalledGem,
  type RubyInterpreter,
  resolveGems,
} from "./ruby-interpreter.ts";
import type { Runtime, RuntimeProject, RuntimeRequest } from "./runtime.ts";
import { RUBY_SERVER } from "./script-starters.ts";
import { parseRange, parseVersion, satisfies } from "./semver-range.ts";

/** Where gems go that are installed on the host, as in the container images that people come from. */
const GEM_HOME = "/usr/local/bundle";
const RUBY = "/usr/bin/ruby";
/** Output comes line by line, as people expect of a log. */
const SYNC_FILE = "/usr/lib/windlass-ruby/sync.rb";
const SYNC = "$stdout.sync = true\n$stderr.sync = true\n";
/** Where distributions install gems is not part of the library; documentation tools are of no use. */
const LEFT_OUT = /(^|\/)(gems|ri|doc|\.git|spec|mkmf\.log|gem_make\.out)$|\.(o|a|c|h|gem)$/;
const OF_PROJECT = /(^|\/)(\.git|log|tmp)$|^vendor\/bundle\/ruby\/[^/]+\/(cache|build_info|doc)$/;

async function collect(request: RuntimeRequest): Promise<RuntimeProject> {
  const { root, manifest, signal } = request;
  const ruby = await findRuby(signal);
  checkRange(ruby, manifest.runtimeRange);
  const leavesOut = (path: string): boolean => OF_PROJECT.test(path);
  const content = await folderContent({ root, manifest, leavesOut, signal });
  const walk = new TreeWalk(root, signal);
  const wanted = readWantedGems(root);
  const bundle = `vendor/bundle/ruby/${ruby.abi}`;
  const isVendored = existsSync(join(root, bundle));
  const gems = await installedGems(ruby, wanted, isVendored, request);
  for (const folder of ruby.libraries) {
    const takes = (path: string): boolean => !LEFT_OUT.test(path) && isOfRuby(folder, path);
    if (existsSync(folder)) await walkFollowing(walk, folder, folder, takes);
  }
  // Without a Gemfile nobody asks for them, and Ruby would read each at every start.
  if (wanted.file !== undefined && existsSync(ruby.defaultSpecifications)) {
    await walkFollowing(walk, ruby.defaultSpecifications, ruby.defaultSpecifications, () => true);
  }
  for (const gem of gems) await takeGem(walk, gem, ruby);
  walk.takeFile(ruby.executable, ruby.executable);
  if (ruby.executable !== RUBY) walk.takeLink(RUBY, ruby.executable);

  const home = isVendored ? posix.join(APP_PATH, bundle) : GEM_HOME;
  const entries: TreeEntry[] = [
    ...walk.entries,
    await executableEntry(ruby.executable, ruby.executable),
    textFile(SYNC_FILE, SYNC),
    ...content.entries,
  ];
  const argv = rubyCommand(request, { entries, gems, home });
  const digest = createHash("sha256").update(content.fingerprint).update(walk.lines.join("\n"));
  return {
    entries,
    argv,
    nativeAddons: [
      { hostPath: ruby.executable, guestPath: ruby.executable },
      ...extensionModules(entries),
    ],
    dependencies: [],
    fingerprint: digest.update(JSON.stringify(argv)).digest("hex"),
    warnings: manifest.warnings,
    runtime: { name: "ruby", version: ruby.version },
    detail: `Ruby ${ruby.version}, this host's`,
    env: {
      RUBYOPT: `-r${SYNC_FILE}`,
      ...(wanted.file !== undefined && { GEM_HOME: home }),
      ...(isVendored && { BUNDLE_PATH: posix.join(APP_PATH, "vendor/bundle") }),
    },
  };
}

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID when a gem is missing, with the commands that install it */
async function installedGems(
  ruby: RubyInterpreter,
  wanted: ReturnType<typeof readWantedGems>,
  isVendored: boolean,
  { root, signal }: RuntimeRequest,
): Promise<readonly InstalledGem[]> {
  if (wanted.file === undefined) return [];
  const names = isVendored ? [] : wanted.gems;
  const { found, missing } = await resolveGems(ruby, names, signal);
  // What Gemfiles are read with; a project need not name it.
  const bundler = await resolveGems(ruby, [["bundler", null]], signal);
  if (missing.length === 0) return [...found, ...bundler.found];
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : "";
  throw new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `${wanted.file} names gems that are not installed: ${missing.slice(0, 5).join(", ")}${more}`,
    {
      file: wanted.file,
      next: `In ${root}, run: bundle config set --local path vendor/bundle && bundle install`,
    },
  );
}

async function takeGem(walk: TreeWalk, gem: InstalledGem, ruby: RubyInterpreter): Promise<void> {
  const { folder, specification, extensions, fullName } = gem;
  if (existsSync(folder)) {
    const takes = (path: string): boolean => !LEFT_OUT.test(path);
    await walkFollowing(walk, folder, `${GEM_HOME}/gems/${fullName}`, takes);
  }
  if (existsSync(extensions)) {
    const place = `${GEM_HOME}/extensions/${ruby.platform}/${ruby.abi}/${fullName}`;
    await walkFollowing(walk, extensions, place, (path) => !LEFT_OUT.test(path));
  }
  walk.takeFile(specification, `${GEM_HOME}/specifications/${basename(specification)}`);
}

/** Of the folders that distributions share with packages of theirs, only RubyGems. */
function isOfRuby(folder: string, path: string): boolean {
  const isShared = /\/(vendor_ruby|site_ruby)(\/|$)/.test(folder);
  return !isShared || /^([0-9.]+\/)?rubygems(\.rb|\/|$)|^[0-9.]+$/.test(path);
}

function checkRange({ version, executable }: RubyInterpreter, text: string | undefined): void {
  const range = text === undefined ? undefined : parseRange(text);
  const parsed = parseVersion(version);
  if (text === undefined || (range && parsed && satisfies(parsed, range))) return;
  throw new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `No Ruby satisfies ${JSON.stringify(text)}: this host has ${version} (${executable})`,
    { file: executable, next: "Install another one, or widen the range" },
  );
}

interface RubyImage {
  readonly entries: readonly TreeEntry[];
  readonly gems: readonly InstalledGem[];
  readonly home: string;
}

const USUAL_NAMES = ["main.rb", "app.rb", "server.rb"];

function rubyCommand({ root, manifest }: RuntimeRequest, image: RubyImage): string[] {
  const { program, args } = manifest;
  const { entries, gems, home } = image;
  const has = (path: string): boolean =>
    entries.some((entry) => entry.kind !== "directory" && entry.path === path);
  const missing = (message: string): ImageError =>
    new ImageError("WL_IMAGE_PROJECT_INVALID", message, {
      file: manifest.source,
      next: 'Set "entry" to a script, or "command" to such as [ruby, bin/server], in windlass.yaml',
    });
  const script = (name: string): string[] => {
    const path = posix.resolve(APP_PATH, name);
    if (!has(path)) throw missing(`${JSON.stringify(name)} is not in the image`);
    return [RUBY, path, ...args];
  };
  const installed = (name: string): string | undefined => {
    const gem = gems.find(({ commands }) => commands[name] !== undefined);
    const own = gem && `${GEM_HOME}/gems/${gem.fullName}/${gem.commands[name]}`;
    return [own, `${home}/bin/${name}`].find((path) => path !== undefined && has(path));
  };
  if (program.kind === "script") return script(program.entry);
  if (program.kind === "command") {
    const [command = "", ...rest] = program.argv;
    if (/^(\/usr\/bin\/)?ruby([0-9.]*)$/.test(command)) return [RUBY, ...rest, ...args];
    if (command.includes("/")) {
      const path = posix.resolve(APP_PATH, command);
      return path.endsWith(".rb") ? [RUBY, path, ...rest, ...args] : [path, ...rest, ...args];
    }
    const path = installed(command);
    if (path !== undefined) return [RUBY, path, ...rest, ...args];
    throw missing(`The command ${JSON.stringify(command)} is not in the image`);
  }
  if (has(`${APP_PATH}/config.ru`)) {
    const puma = installed("puma");
    if (puma !== undefined) return [RUBY, puma, ...args];
    const rackup = installed("rackup");
    if (rackup !== undefined) return [RUBY, rackup, "--host", "0.0.0.0", ...args];
  }
  const name = USUAL_NAMES.find((one) => has(posix.join(APP_PATH, one)));
  if (name === undefined)
    throw missing(`No entry point in ${root}. Tried ${USUAL_NAMES.join(", ")}`);
  return script(name);
}

function textFile(path: string, text: string): FileEntry {
  return { kind: "file", path, mode: 0o644, source: { kind: "bytes", bytes: Buffer.from(text) } };
}

export const rubyRuntime: Runtime = {
  name: "ruby",
  title: "Ruby",
  summary: "This host's interpreter with its library, and the gems of the Gemfile",
  markers: ["Gemfile", "config.ru", "main.rb", "app.rb"],
  packages: ["ruby"],
  collect,
  starter: () => ({ "main.rb": RUBY_SERVER }),
};
