/** The Ruby of this host: where its parts are, and which of its gems a project needs. */
import { realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ImageError } from "../errors.ts";
import { classifyBinary } from "./binary-kind.ts";
import { runInterpreter } from "./interpreter-run.ts";

export interface RubyInterpreter {
  /** "3.1.2" */
  readonly version: string;
  /** "3.1.0", as in the names of its folders. */
  readonly abi: string;
  /** "x86_64-linux", as in the folders of compiled gems. */
  readonly platform: string;
  /** Real path on this host. */
  readonly executable: string;
  /** Folders of the standard library and of RubyGems, the same in the guest. */
  readonly libraries: readonly string[];
  /** Specifications of the gems that the library has. */
  readonly defaultSpecifications: string;
}

export interface InstalledGem {
  readonly name: string;
  readonly version: string;
  /** "name-1.0", perhaps with a platform. */
  readonly fullName: string;
  readonly folder: string;
  readonly specification: string;
  /** What was compiled for it; the folder need not be there. */
  readonly extensions: string;
  /** Commands: name to path in the folder. */
  readonly commands: Readonly<Record<string, string>>;
}

const PROBE = `
require "rbconfig"; require "json"; require "rubygems"
c = RbConfig::CONFIG
puts JSON.generate(version: RUBY_VERSION, abi: c["ruby_version"], platform: Gem::Platform.local.to_s,
  executable: File.realpath(RbConfig.ruby), defaultSpecifications: File.join(Gem.default_specifications_dir),
  libraries: [c["rubylibdir"], c["rubyarchdir"], c["vendordir"], c["vendorarchdir"], c["sitedir"]].compact.uniq)
`;
/** Reads [[name, version or null]]; prints {found, missing}, with what the gems need themselves. */
const RESOLVER = `
require "json"; require "rubygems"
queue = JSON.parse(STDIN.read).map { |name, version| [name, version ? "= #{version}" : ">= 0", ""] }
found, missing, done = [], [], {}
while (name, wanted, parent = queue.shift) && done.size < 5000
  next if done[name]
  done[name] = true
  spec = Gem::Specification.find_all_by_name(name, wanted).max_by(&:version)
  if spec.nil?
    missing << "#{name} (#{wanted})#{parent.empty? ? "" : ", for " + parent}"
    next
  end
  spec.runtime_dependencies.each { |one| queue << [one.name, one.requirement, name] }
  next if spec.default_gem?
  commands = spec.executables.to_h { |one| [one, File.join(spec.bindir, one)] }
  found << {name: spec.name, version: spec.version.to_s, fullName: spec.full_name, folder: spec.full_gem_path,
    specification: spec.loaded_from, extensions: spec.extension_dir, commands: commands}
end
puts JSON.generate(found: found, missing: missing)
`;

/** @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when there is none */
export async function findRuby(signal?: AbortSignal): Promise<RubyInterpreter> {
  const folders = ["/usr/bin", ...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/bin"];
  for (const folder of folders.filter((one) => one.startsWith("/"))) {
    const executable = realPath(join(folder, "ruby"));
    if (executable === undefined) continue;
    // Version managers put scripts into PATH.
    const kind = await classifyBinary(executable).catch(() => "other");
    if (kind !== "elf-executable") continue;
    const printed = await runInterpreter({ executable, args: ["-e", PROBE], signal });
    return JSON.parse(printed.toString()) as RubyInterpreter;
  }
  throw new ImageError("WL_IMAGE_RUNTIME_UNAVAILABLE", "There is no Ruby on this host", {
    next: "Install it: apt-get install ruby",
  });
}

/** @param wanted names and, where a lock file says them, versions */
export async function resolveGems(
  ruby: RubyInterpreter,
  wanted: readonly (readonly [name: string, version: string | null])[],
  signal?: AbortSignal,
): Promise<{ found: readonly InstalledGem[]; missing: readonly string[] }> {
  const { executable } = ruby;
  const input = JSON.stringify(wanted);
  const printed = await runInterpreter({ executable, args: ["-e", RESOLVER], input, signal });
  return JSON.parse(printed.toString());
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
