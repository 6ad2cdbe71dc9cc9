/** The Pythons of this host: found by path, asked what they are, chosen by version. */
import { realpathSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { ImageError } from "../errors.ts";
import { classifyBinary } from "./binary-kind.ts";
import { runInterpreter } from "./interpreter-run.ts";
import { parsePythonRange } from "./python-version.ts";
import { compareVersions, parseVersion, satisfies, type VersionRange } from "./semver-range.ts";

export interface PythonInterpreter {
  /** "3.11.2" */
  readonly version: string;
  /** "3.11", as in the names of its folders. */
  readonly release: string;
  /** Real path on this host. */
  readonly executable: string;
  /** Its standard library on this host. */
  readonly library: string;
  /** Its extension modules: a folder of the library as a rule. */
  readonly extensions: string;
  /** "lib", or "lib64" where the distribution has it so. */
  readonly libraryFolder: string;
  /** "cpython-311": in the names of compiled modules. */
  readonly cacheTag: string;
  /** Where packages are that belong to no virtual environment, in the order in which it looks. */
  readonly packageFolders: readonly string[];
}

/** Says what an interpreter is. Without the site module: nothing of the host's packages is run. */
const PROBE = `
import json, os, site, sys, sysconfig
paths = [p for p in sys.path if p.endswith("lib-dynload")]
try:
    packages = [site.getusersitepackages()] + site.getsitepackages()
except Exception:
    packages = []
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "release": "%d.%d" % sys.version_info[:2],
    "executable": os.path.realpath(sys.executable),
    "library": sysconfig.get_path("stdlib"),
    "extensions": paths[0] if paths else "",
    "libraryFolder": getattr(sys, "platlibdir", "lib"),
    "cacheTag": sys.implementation.cache_tag,
    "packageFolders": packages,
    "isCpython": sys.implementation.name == "cpython",
}))
`;
const RELEASE_MIN = { major: 3, minor: 7, patch: 0, prerelease: [] };
/** Folders of interpreters beside those of PATH. */
const USUAL_FOLDERS = ["/usr/local/bin", "/usr/bin", "/opt/python/bin"];
const NAMES = /^python3(\.[0-9]{1,2})?$/;

/**
 * @param executable absolute path of an interpreter, links followed or not
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when it is no CPython of 3.7 or newer
 */
export async function describePython(
  executable: string,
  signal?: AbortSignal,
): Promise<PythonInterpreter> {
  const printed = await runInterpreter({ executable, args: ["-I", "-S", "-c", PROBE], signal });
  const facts = JSON.parse(printed.toString()) as PythonInterpreter & { isCpython: boolean };
  const version = parseVersion(facts.version);
  if (facts.isCpython && version && compareVersions(version, RELEASE_MIN) >= 0) return facts;
  const what = facts.isCpython ? `Python ${facts.version}` : "no CPython";
  throw unavailable(`Cannot use ${JSON.stringify(executable)}: it is ${what}`, executable);
}

/**
 * The host's own python3 when it satisfies `range`, else the newest that does.
 *
 * @param range as the manifest, requires-python or .python-version has it
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE naming what there is
 */
export async function choosePython(
  range: string | undefined,
  signal?: AbortSignal,
): Promise<PythonInterpreter> {
  const wanted = range === undefined ? undefined : parsePythonRange(range);
  if (range !== undefined && !wanted) {
    const message = `Cannot choose a Python: ${JSON.stringify(range)} is not a version range`;
    throw unavailable(message, undefined, 'Write a range such as "3.11" or ">=3.9,<4"');
  }
  const found: PythonInterpreter[] = [];
  for (const path of await candidates()) {
    // One that does not run is as good as none.
    const python = await describePython(path, signal).catch(() => undefined);
    signal?.throwIfAborted();
    if (!python) continue;
    if (isWithin(python, wanted)) return python;
    found.push(python);
  }
  const here = found.map(({ version, executable }) => `${version} (${executable})`).join(", ");
  const wish = range === undefined ? "" : ` satisfies ${JSON.stringify(range)}`;
  throw unavailable(`No Python${wish || " is on this host"}: it has ${here || "none"}`, undefined);
}

export function isWithin({ version }: PythonInterpreter, range: VersionRange | undefined): boolean {
  const parsed = parseVersion(version);
  return range === undefined || (parsed !== undefined && satisfies(parsed, range));
}

/** Real executables, the likeliest first; what version managers put into PATH are scripts, and passed over. */
async function candidates(): Promise<string[]> {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((one) => one.startsWith("/"));
  const first = ["/usr/bin", ...path].map((folder) => join(folder, "python3"));
  const versions = join(process.env["PYENV_ROOT"] ?? join(homedir(), ".pyenv"), "versions");
  const managed = (await namesIn(versions)).sort(byVersionNewestFirst);
  const others: string[] = [];
  for (const folder of [...USUAL_FOLDERS, ...managed.map((name) => join(versions, name, "bin"))]) {
    const names = (await namesIn(folder)).filter((name) => NAMES.test(name)).sort();
    others.push(...names.reverse().map((name) => join(folder, name)));
  }
  const real = new Set<string>();
  for (const candidate of [...first, ...others]) {
    const resolved = realPath(candidate);
    if (resolved === undefined || real.has(resolved)) continue;
    const kind = await classifyBinary(resolved).catch(() => "other");
    if (kind === "elf-executable") real.add(resolved);
  }
  return [...real];
}

function byVersionNewestFirst(one: string, other: string): number {
  const [a, b] = [parseVersion(one), parseVersion(other)];
  return a && b ? compareVersions(b, a) : a ? -1 : b ? 1 : 0;
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function unavailable(message: string, file: string | undefined, next?: string): ImageError {
  return new ImageError("WL_IMAGE_RUNTIME_UNAVAILABLE", message, {
    ...(file !== undefined && { file }),
    next: next ?? "Install one (apt-get install python3), or widen the range",
  });
}
