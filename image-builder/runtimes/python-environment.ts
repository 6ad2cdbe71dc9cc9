/** A project's virtual environment as the guest has it: the packages, and whatever names a path of the host rewritten. */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { isInside, TreeWalk } from "../project/tree-walk.ts";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import { extensionModules, type PythonFiles, walkFollowing } from "./python-library.ts";

export interface VirtualEnvironment {
  /** Relative to the project: ".venv". */
  readonly name: string;
  /** Real path on the host. */
  readonly folder: string;
  /** The interpreter that it was made with, on the host. */
  readonly interpreter: string;
  /** "3.11" */
  readonly release: string;
  /** It has the interpreter's own packages, too. */
  readonly hasSystemPackages: boolean;
}

const NAMES = [".venv", "venv", "env"];
const CONFIGURATION = "pyvenv.cfg";
const CONFIGURATION_MAX_BYTES = 64 << 10;
/** A script of bin/ and a path file are small; what is larger is taken as it is. */
const SCRIPT_MAX_BYTES = 1 << 20;
/** Tools for the shell, and what installs packages. */
const OF_THE_HOST =
  /^(activate.*|Activate\.ps1|deactivate.*|pip[0-9.]*|easy_install.*|wheel[0-9.]*)$/;
/** Installs packages, and is never imported by what was installed. */
const INSTALLER = /(^|\/)site-packages\/(pip(-[^/]*\.dist-info)?|direct_url\.json)$/;
/** Packages that are installed as a link to their sources have these. */
const PATH_FILE = /\/site-packages\/([^/]*\.(pth|egg-link)|__editable__[^/]*\.py)$/;

/**
 * @param root real path of the project
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when its interpreter is gone, or part of the project
 */
export function findEnvironment(root: string): VirtualEnvironment | undefined {
  const name = NAMES.find((one) => existsSync(join(root, one, CONFIGURATION)));
  if (name === undefined) return undefined;
  const folder = realpathSync(join(root, name));
  const file = join(folder, CONFIGURATION);
  if (statSync(file).size > CONFIGURATION_MAX_BYTES) throw unusable(file, `${file} is too large`);
  const settings = parseConfiguration(readFileSync(file, "utf8"));
  const release = releaseOf(folder, settings);
  const home = settings.get("home") ?? "";
  if (release === undefined) throw unusable(file, `${folder} has no folder of packages`);
  const names = [`python${release}`, "python3", "python"];
  const found = names.map((one) => join(home, one)).find((path) => existsSync(path));
  if (!home.startsWith("/") || found === undefined) {
    throw unusable(file, `The Python of ${folder} is not there any more: ${home || "none"}`);
  }
  const interpreter = realpathSync(found);
  // What a project holds is never run when it is built.
  if (isInside(root, interpreter))
    throw unusable(file, `The Python of ${folder} lies in the project`);
  const hasSystemPackages = settings.get("include-system-site-packages") === "true";
  return { name, folder, interpreter, release, hasSystemPackages };
}

/** Where the guest has it. */
export function environmentGuestPaths(environment: VirtualEnvironment): {
  folder: string;
  python: string;
  packages: string;
} {
  const folder = posix.join(APP_PATH, environment.name);
  const packages = `${folder}/lib/python${environment.release}/site-packages`;
  return { folder, python: `${folder}/bin/python`, packages };
}

/**
 * @param root real path of the project, which is /app in the guest
 * @param guestPython the interpreter in the guest
 */
export async function environmentFiles(
  environment: VirtualEnvironment,
  options: { root: string; guestPython: string; signal: AbortSignal | undefined },
): Promise<PythonFiles> {
  const { root, guestPython, signal } = options;
  const { folder } = environment;
  const guest = environmentGuestPaths(environment);
  const walk = new TreeWalk(root, signal);
  walk.entries.push({ kind: "directory", path: guest.folder, mode: 0o755 });
  await walkFollowing(walk, folder, guest.folder, (path) => {
    if (/^(bin|include|pyvenv\.cfg|\.gitignore|CACHEDIR\.TAG|\.lock)$/.test(path)) return false;
    return !INSTALLER.test(path);
  });
  const scripts = scriptEntries(folder, guest);
  const replaced = walk.entries.map((entry) => localized(entry, root));
  const configuration = [
    `home = ${posix.dirname(guestPython)}`,
    `include-system-site-packages = ${environment.hasSystemPackages}`,
    `version = ${environment.release}`,
    "",
  ].join("\n");
  const entries: TreeEntry[] = [
    ...replaced,
    ...scripts.entries,
    textFile(`${guest.folder}/${CONFIGURATION}`, configuration),
    { kind: "symlink", path: guest.python, target: guestPython },
    { kind: "symlink", path: `${guest.python}3`, target: "python" },
    { kind: "symlink", path: `${guest.python}${environment.release}`, target: "python" },
  ];
  const programs = scripts.entries.flatMap((entry) =>
    entry.source.kind === "path" ? [{ hostPath: entry.source.path, guestPath: entry.path }] : [],
  );
  return {
    entries,
    binaries: [...extensionModules(replaced), ...programs],
    lines: [...walk.lines, configuration, ...scripts.lines],
  };
}

function parseConfiguration(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) settings.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  return settings;
}

/** By its folder of packages, else by what it says of itself. */
function releaseOf(folder: string, settings: ReadonlyMap<string, string>): string | undefined {
  const library = join(folder, "lib");
  const names = existsSync(library) ? readdirSync(library) : [];
  const said = /^[0-9]+\.[0-9]+/.exec(
    settings.get("version") ?? settings.get("version_info") ?? "",
  );
  const folders = names.flatMap((name) => /^python([0-9]+\.[0-9]+)$/.exec(name)?.[1] ?? []);
  return folders.find((release) => release === said?.[0]) ?? folders.sort()[0];
}

/** Commands of bin/: scripts of this environment with the guest's interpreter, and executables as they are. */
function scriptEntries(
  folder: string,
  guest: { folder: string; python: string },
): { entries: FileEntry[]; lines: string[] } {
  const entries: FileEntry[] = [];
  const lines: string[] = [];
  const bin = join(folder, "bin");
  for (const name of existsSync(bin) ? readdirSync(bin).sort() : []) {
    const hostPath = join(bin, name);
    const facts = lstatSync(hostPath);
    if (!facts.isFile() || OF_THE_HOST.test(name)) continue;
    const path = `${guest.folder}/bin/${name}`;
    const text = facts.size <= SCRIPT_MAX_BYTES ? readFileSync(hostPath, "latin1") : "";
    if (text.startsWith("#!")) {
      const script = withInterpreter(text, guest.python);
      entries.push({ ...textFile(path, Buffer.from(script, "latin1")), mode: 0o755 });
      lines.push(`${path}\0${script}`);
    } else if (text === "" || text.startsWith("\x7fELF")) {
      const source = { kind: "path", path: hostPath, sizeBytes: facts.size } as const;
      entries.push({ kind: "file", path, mode: 0o755, source });
      lines.push(`${path}\0${identityOf(facts)}`);
    }
  }
  return { entries, lines };
}

/** The first line, or the two that stand for a path that is too long for one. */
function withInterpreter(script: string, python: string): string {
  if (/^#!.*\bpython[0-9.]*\s*\n/.test(script)) return script.replace(/^.*\n/, `#!${python}\n`);
  const long = /^#!\/bin\/sh\n'''exec' .*\n' '''\n/;
  return script.replace(long, `#!${python}\n`);
}

/** Path files say where sources are: what lies in the project is below /app. */
function localized(entry: TreeEntry, root: string): TreeEntry {
  if (entry.kind !== "file" || entry.source.kind !== "path" || !PATH_FILE.test(entry.path)) {
    return entry;
  }
  if (entry.source.sizeBytes > SCRIPT_MAX_BYTES) return entry;
  const text = readFileSync(entry.source.path, "utf8");
  // Not a folder whose name only begins in the same way.
  const parts = text.split(root);
  const rewritten = parts.reduce((done, part) => {
    const isWhole = part === "" || !/^[\w.-]/.test(part);
    return `${done}${isWhole ? APP_PATH : root}${part}`;
  });
  return text === rewritten ? entry : textFile(entry.path, rewritten);
}

function textFile(path: string, content: string | Buffer): FileEntry {
  return {
    kind: "file",
    path,
    mode: 0o644,
    source: { kind: "bytes", bytes: Buffer.from(content) },
  };
}

function identityOf({ size, mtimeMs, ctimeMs, ino }: Stats): string {
  return [size, mtimeMs, ctimeMs, ino].join(" ");
}

function unusable(file: string, message: string): ImageError {
  return new ImageError("WL_IMAGE_PROJECT_INVALID", message, {
    file,
    next: `Make the environment again: python3 -m venv ${basename(posix.dirname(file))}`,
  });
}
