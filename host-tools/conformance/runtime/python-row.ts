/** Python: this host's interpreter, with the modules of its library that the program imports. */
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ImageError } from "../../../image-builder/errors.ts";
import type { FileEntry, TreeEntry } from "../../../image-builder/rootfs/tree.ts";
import { compiledModules } from "../../../image-builder/runtimes/python-compiled-modules.ts";
import {
  choosePython,
  type PythonInterpreter,
} from "../../../image-builder/runtimes/python-interpreter.ts";
import { pythonGuestPaths, pythonLibrary } from "../../../image-builder/runtimes/python-library.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import type { MissingRow } from "../suite.ts";
import { type BuildRequest, programRow } from "./program-row.ts";
import { programSource } from "./program-sources.ts";
import { libraryEnv, putEntries, putLibraries } from "./row-files.ts";

const PROGRAM = "program.py";
/** Imported by name only: by the interpreter as it starts, and for the names of servers. */
const MODULES = [
  "site",
  "encodings.utf_8",
  "encodings.ascii",
  "encodings.latin_1",
  "encodings.idna",
];
/** Extensions that the program does not import, and that want large libraries. */
const LEFT_OUT =
  /^(_curses|_curses_panel|_dbm|_gdbm|_sqlite3|_crypt|_codecs_\w+|nis|readline|audioop|ossaudiodev)\./;

export const pythonRow = programRow({
  id: "python",
  title: "Python",
  async build(request) {
    const python = await pythonOf(request);
    if ("kind" in python) return python;
    const { files, signal } = request;
    await copyFile(programSource(PROGRAM), join(files, PROGRAM));
    const entries = await neededFiles(python, signal);
    const folder = join(files, "python");
    await mkdir(folder);
    await putEntries(entries, { from: "/usr", folder });
    const binaries = entries.flatMap(({ path, source }) =>
      source.kind === "path" && /(\.so|\/bin\/[^/]+)$/.test(path) ? [source.path] : [],
    );
    await putLibraries(binaries, files);
    // It finds its library by its own place; -I keeps it from looking elsewhere.
    const interpreter = `python/bin/python${python.release}`;
    return {
      argv: (place) => [`${place}/${interpreter}`, "-I", "-B", `${place}/${PROGRAM}`],
      env: libraryEnv,
    };
  },
});

async function pythonOf({ signal }: BuildRequest): Promise<PythonInterpreter | MissingRow> {
  try {
    return await choosePython(undefined, signal);
  } catch (error) {
    const isMissing = error instanceof ImageError && error.code === "WL_IMAGE_RUNTIME_UNAVAILABLE";
    if (!isMissing) throw error;
    return { kind: "missing", what: "python3", packages: ["python3"] };
  }
}

/** The interpreter, its extensions, and modules with what they are compiled to. */
async function neededFiles(
  python: PythonInterpreter,
  signal: AbortSignal | undefined,
): Promise<FileEntry[]> {
  const guest = pythonGuestPaths(python);
  const { entries, lines } = await pythonLibrary(python, signal);
  const path = programSource(PROGRAM);
  const bytes = await readFile(path);
  const source = { kind: "path", path, sizeBytes: bytes.length } as const;
  const program: FileEntry = { kind: "file", path: `/${PROGRAM}`, mode: 0o644, source };
  const compiled = await compiledModules({
    ...{ python, entries: [...entries, program], searchPath: [guest.library] },
    ...{ modules: MODULES, files: [program.path], fingerprint: `${lines.join("\n")}\n${bytes}` },
    ...{ cacheDirectory: windlassFolders().cache, signal },
  });
  const modules = new Map(compiled.map((entry) => [sourceOf(entry.path), entry]));
  modules.delete(program.path);
  const isNeeded = (entry: TreeEntry): entry is FileEntry => {
    if (entry.kind !== "file") return false;
    const isExtension = /\.so$/.test(entry.path) && !LEFT_OUT.test(basename(entry.path));
    return entry.path === guest.executable || isExtension || modules.has(entry.path);
  };
  return [...entries.filter(isNeeded), ...modules.values()];
}

/** "/lib/__pycache__/os.cpython-311.pyc": "/lib/os.py" */
function sourceOf(path: string): string {
  return join(dirname(dirname(path)), basename(path).replace(/\..*$/, ".py"));
}
