/**
 * Packages that a project requires and the interpreter itself has (Debian's, or installed without a virtual
 * environment): found by their metadata, with what they require.
 */
import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { ImageError } from "../errors.ts";
import { TreeWalk } from "../project/tree-walk.ts";
import { runInterpreter } from "./interpreter-run.ts";
import type { VirtualEnvironment } from "./python-environment.ts";
import type { PythonInterpreter } from "./python-interpreter.ts";
import {
  extensionModules,
  type PythonFiles,
  pythonGuestPaths,
  walkFollowing,
} from "./python-library.ts";
import type { PythonProject } from "./python-project.ts";

/** Reads {requirements, path}; prints {found: [[folder, [names]]], missing: [texts]}. Python 3.8. */
const RESOLVER = `
import ast, json, os, platform, re, sys
from importlib import metadata
request = json.load(sys.stdin)
path = [p for p in request["path"] if os.path.isdir(p)]
ENVIRONMENT = {
    "python_version": "%d.%d" % sys.version_info[:2],
    "python_full_version": "%d.%d.%d" % sys.version_info[:3],
    "implementation_version": "%d.%d.%d" % sys.version_info[:3],
    "os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64",
    "platform_release": "", "platform_version": "", "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}

def release(text):
    return [int(n) for n in re.findall(r"[0-9]+", re.split(r"[^0-9.]", text.strip())[0])]

def compare(one, other):
    a, b = release(one), release(other)
    size = max(len(a), len(b))
    a, b = a + [0] * (size - len(a)), b + [0] * (size - len(b))
    return (a > b) - (a < b)

def fits(version, wanted):
    for clause in wanted.split(","):
        match = re.match(r"\\s*(===?|~=|!=|<=|>=|<|>)\\s*(\\S+?)(\\.\\*)?\\s*$", clause)
        if not match:
            continue
        sign, other, star = match.groups()
        order = compare(version, other)
        parts = release(other)
        same = release(version)[:len(parts)] == parts
        if not {
            "==": same if star else order == 0, "===": order == 0, "!=": not (same if star else order == 0),
            "<=": order <= 0, ">=": order >= 0, "<": order < 0, ">": order > 0,
            "~=": order >= 0 and release(version)[:len(parts) - 1] == parts[:-1],
        }[sign]:
            return False
    return True

def applies(marker, extras):
    def value(node):
        if isinstance(node, ast.Name):
            return ENVIRONMENT.get(node.id, "")
        return node.value if isinstance(node, ast.Constant) else node.s
    def holds(node):
        if isinstance(node, ast.BoolOp):
            results = [holds(part) for part in node.values]
            return all(results) if isinstance(node.op, ast.And) else any(results)
        name = getattr(node.left, "id", "") or getattr(node.comparators[0], "id", "")
        if name == "extra":
            wanted = value(node.comparators[0]) or value(node.left)
            return wanted in extras
        one, other = value(node.left), value(node.comparators[0])
        order = compare(one, other) if "version" in name else (one > other) - (one < other)
        return {
            "Eq": order == 0, "NotEq": order != 0, "Lt": order < 0, "LtE": order <= 0,
            "Gt": order > 0, "GtE": order >= 0, "In": one in other, "NotIn": one not in other,
        }[type(node.ops[0]).__name__]
    try:
        return holds(ast.parse(marker.strip(), mode="eval").body)
    except Exception:
        return "extra" not in marker

def distribution(name):
    pattern = re.sub(r"[-_.]+", "-", name).lower()
    for one in metadata.distributions(name=name, path=path):
        found = one.metadata["Name"]
        if found and re.sub(r"[-_.]+", "-", found).lower() == pattern:
            return one
    for one in metadata.distributions(path=path):
        found = one.metadata["Name"]
        if found and re.sub(r"[-_.]+", "-", found).lower() == pattern:
            return one

def names(one):
    folder = str(one.locate_file(""))
    found = set()
    for file in one.files or []:
        first = file.parts[0]
        if first not in ("..", "/", "__pycache__") and os.path.exists(os.path.join(folder, first)):
            found.add(first)
    if not [name for name in found if not name.endswith(("-info", ".egg-info"))]:
        top = (one.read_text("top_level.txt") or one.metadata["Name"].replace("-", "_")).split()
        listing = os.listdir(folder)
        for name in top + [name.lower() for name in top]:
            found.update(n for n in listing if n == name or n == name + ".py" or
                         (n.startswith(name + ".") and n.endswith(".so")))
    own = os.path.basename(str(getattr(one, "_path", "")))
    return folder, sorted(found | ({own} if own else set()))

found, missing, done = [], [], set()
queue = [(text, "") for text in request["requirements"]]

def drain():
    while queue and len(done) < 5000:
        text, parent = queue.pop(0)
        text, _, marker = text.partition(";")
        match = re.match(r"\\s*([A-Za-z0-9][A-Za-z0-9._-]*)\\s*(?:\\[([^\\]]*)\\])?\\s*\\(?([^)@]*)\\)?", text)
        if not match:
            missing.append(text.strip())
            continue
        name, extras, wanted = match.group(1), match.group(2) or "", match.group(3) or ""
        if marker and not parent and not applies(marker, []):
            continue
        key = (name.lower(), extras)
        if key in done:
            continue
        done.add(key)
        one = distribution(name)
        if one is None or not fits(one.version, wanted):
            has = "" if one is None else " (this host has %s)" % one.version
            missing.append(text.strip() + has + (", for " + parent if parent else ""))
            continue
        found.append([*names(one), one.metadata["Name"], one.version])
        chosen = [extra.strip() for extra in extras.split(",") if extra.strip()]
        for needed in one.requires or []:
            if applies(needed.partition(";")[2], chosen) if ";" in needed else True:
                queue.append((needed.partition(";")[0], name))

def imported(folder, names):
    modules = set()
    for name in names:
        top = os.path.join(folder, name)
        files = [os.path.join(d, f) for d, _, inner in os.walk(top) for f in inner] or [top]
        for file in [f for f in files if f.endswith(".py")][:10000]:
            with open(file, encoding="utf-8", errors="replace") as stream:
                modules.update(re.findall(r"(?m)^(?:import|from)\\s+([A-Za-z_][A-Za-z0-9_]*)", stream.read(1 << 22)))
    return modules

# Distributions leave out of their metadata what their own packages bring. What a package imports unconditionally
# (an optional import is indented, in a "try") and another distribution of the same folder has is needed.
drain()
owners = {}
if found:
    for one in metadata.distributions(path=path):
        folder, own = names(one)
        for name in own:
            owners.setdefault((folder, name.split(".")[0]), one.metadata["Name"])
looked = 0
while looked < len(found):
    folder, own = found[looked][:2]
    looked += 1
    queue += [(owners[folder, m], "") for m in imported(folder, own) if (folder, m) in owners]
    drain()
print(json.dumps({"found": found, "missing": missing}))
`;

const NOTHING: InterpreterPackages = { entries: [], binaries: [], lines: [], warnings: [] };

interface Resolution {
  readonly found: readonly [folder: string, names: string[], name: string, version: string][];
  readonly missing: readonly string[];
}

export interface PackageRequest {
  readonly root: string;
  readonly python: PythonInterpreter;
  readonly project: PythonProject;
  /** The project's virtual environment, whose packages the image has already. */
  readonly environment: VirtualEnvironment | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InterpreterPackages extends PythonFiles {
  readonly warnings: readonly string[];
}

/**
 * What is missing of a virtual environment is only said: pip knows better whether its versions fit.
 *
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when a package is missing, with the commands that install it
 */
export async function interpreterPackages(request: PackageRequest): Promise<InterpreterPackages> {
  const { root, python, project, environment, signal } = request;
  if (project.requirements.length === 0) return NOTHING;
  const own = environment && join(environment.folder, `lib/python${python.release}/site-packages`);
  const others = !environment || environment.hasSystemPackages ? python.packageFolders : [];
  const path = [...(own === undefined ? [] : [own]), ...others];
  const printed = await runInterpreter({
    executable: python.executable,
    args: ["-I", "-S", "-c", RESOLVER],
    input: JSON.stringify({ requirements: project.requirements, path }),
    signal,
  });
  const { found, missing } = JSON.parse(printed.toString()) as Resolution;
  if (missing.length > 0 && !environment) throw lacking(root, project, missing);
  const warnings = missing.map((one) => `${environment?.name} lacks a package: ${one}`);
  const target = pythonGuestPaths(python).packages;
  const walk = new TreeWalk(root, signal);
  for (const [folder, names] of found) {
    for (const name of folder === own ? [] : names) {
      const hostPath = join(folder, name);
      if (!existsSync(hostPath)) continue;
      const guestPath = `${target}/${name}`;
      if (!statSync(hostPath).isDirectory()) walk.takeFile(hostPath, guestPath);
      else await walkFollowing(walk, hostPath, guestPath, () => true);
    }
  }
  const { entries, lines } = walk;
  return { entries, binaries: extensionModules(entries), lines, warnings };
}

function lacking(root: string, project: PythonProject, missing: readonly string[]): ImageError {
  const file = project.requirementsFile ?? root;
  const shown = missing.slice(0, 5).join("; ");
  const more = missing.length > 5 ? `; and ${missing.length - 5} more` : "";
  const what = basename(file) === "requirements.txt" ? "-r requirements.txt" : ".";
  return new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `${file} requires packages that are not installed: ${shown}${more}`,
    {
      file,
      next: `In ${root}, run: python3 -m venv .venv && .venv/bin/pip install ${what}`,
    },
  );
}
