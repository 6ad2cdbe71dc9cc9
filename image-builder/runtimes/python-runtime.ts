/** Python: the interpreter of this host, its library, the project's packages, and the project. */
import { createHash } from "node:crypto";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { folderContent } from "../project/project-folder.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import { pythonCommand } from "./python-command.ts";
import { compiledModules } from "./python-compiled-modules.ts";
import { environmentFiles, environmentGuestPaths, findEnvironment } from "./python-environment.ts";
import {
  choosePython,
  describePython,
  isWithin,
  type PythonInterpreter,
} from "./python-interpreter.ts";
import { extensionModules, pythonGuestPaths, pythonLibrary } from "./python-library.ts";
import { interpreterPackages } from "./python-packages.ts";
import { readPythonProject } from "./python-project.ts";
import { parsePythonRange } from "./python-version.ts";
import type { Runtime, RuntimeProject, RuntimeRequest } from "./runtime.ts";
import { PYTHON_SERVER } from "./script-starters.ts";

/** Made again in the guest, or of no use there. */
const LEFT_OUT =
  /^(__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.tox|\.nox|\.python-version)$/;
/** What every interpreter loads, and no import statement says. */
const ALWAYS_LOADED = ["site", "encodings.utf_8", "encodings.ascii", "encodings.latin_1"];

async function collect(request: RuntimeRequest): Promise<RuntimeProject> {
  const { root, manifest, cacheDirectory, signal } = request;
  const project = readPythonProject(root);
  const environment = findEnvironment(root);
  const range = manifest.runtimeRange ?? project.range;
  const python = environment
    ? await describePython(environment.interpreter, signal)
    : await choosePython(range, signal);
  if (environment) checkRange(python, range, environment.folder);
  const guest = pythonGuestPaths(python);

  const content = await folderContent({
    root,
    manifest,
    leavesOut: (path) =>
      path === environment?.name || LEFT_OUT.test(lastPart(path)) || path.endsWith(".pyc"),
    signal,
  });
  const library = await pythonLibrary(python, signal);
  const environmentPart = environment
    ? await environmentFiles(environment, { root, guestPython: guest.executable, signal })
    : undefined;
  // Whoever sets this variable brings the packages in another way.
  const brings = manifest.env["PYTHONPATH"] !== undefined && !environment;
  const packages = brings
    ? undefined
    : await interpreterPackages({ root, python, project, environment, signal });
  const parts = [
    library,
    ...(environmentPart ? [environmentPart] : []),
    ...(packages ? [packages] : []),
  ];
  const entries = [...parts.flatMap((part) => part.entries), ...content.entries];

  const paths = environment && environmentGuestPaths(environment);
  const command = pythonCommand({
    ...{ root, manifest, entries, scripts: project.scripts },
    python: paths?.python ?? guest.executable,
    binFolder: paths && `${paths.folder}/bin`,
  });
  const digest = createHash("sha256").update(content.fingerprint);
  for (const { lines } of parts) digest.update(lines.join("\n"));
  const fingerprint = digest.update(JSON.stringify(command)).digest("hex");
  const compiled = await compiledModules({
    python,
    entries,
    searchPath: [
      APP_PATH,
      `${APP_PATH}/src`,
      guest.library,
      ...(paths ? [paths.packages] : []),
      guest.packages,
    ],
    modules: [...ALWAYS_LOADED, ...modulesOf(command, entries)],
    files: ownSources(content.entries),
    fingerprint,
    cacheDirectory,
    signal,
  });
  const source = environment ? environment.name : "this host's";
  return {
    entries: [...entries, ...compiled],
    argv: command.argv,
    nativeAddons: [...parts.flatMap((part) => part.binaries), ...extensionModules(content.entries)],
    dependencies: [],
    fingerprint,
    warnings: [...manifest.warnings, ...(packages?.warnings ?? [])],
    runtime: { name: "python", version: python.version },
    detail: `Python ${python.version}, ${source}`,
    // The guest keeps no compiled modules, and its logs have lines as they are printed.
    env: { PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1" },
  };
}

function checkRange(python: PythonInterpreter, range: string | undefined, folder: string): void {
  const wanted = range === undefined ? undefined : parsePythonRange(range);
  if (isWithin(python, wanted)) return;
  throw new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `${folder} was made with Python ${python.version}, which is not ${JSON.stringify(range)}`,
    { file: folder, next: "Make the environment with another Python, or change the range" },
  );
}

/** Sources that the project holds itself: they may be imported in ways that no statement tells. */
function ownSources(entries: readonly TreeEntry[]): string[] {
  return entries.flatMap(({ kind, path }) =>
    kind === "file" && path.startsWith(`${APP_PATH}/`) && path.endsWith(".py") ? [path] : [],
  );
}

/** Modules that the command itself names, or its script when that is not one of the project's files. */
function modulesOf(
  { script, module }: ReturnType<typeof pythonCommand>,
  entries: readonly TreeEntry[],
): string[] {
  if (module !== undefined) return ["runpy", module, `${module}.__main__`];
  const entry = entries.find(({ path }) => path === script);
  if (entry?.kind !== "file" || entry.source.kind !== "bytes") return [];
  const text = Buffer.from(entry.source.bytes).toString();
  return [...text.matchAll(/^\s*(?:from|import)\s+([\w.]+)/gm)].map(([, name = ""]) => name);
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export const pythonRuntime: Runtime = {
  name: "python",
  title: "Python",
  summary: "This host's interpreter with its library, and the packages of a virtual environment",
  markers: ["pyproject.toml", "requirements.txt", "setup.py", "main.py", "app.py"],
  packages: ["python3"],
  collect,
  starter: () => ({ "main.py": PYTHON_SERVER }),
};
