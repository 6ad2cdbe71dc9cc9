/**
 * Compiled modules (.pyc) for the guest, which has nowhere to keep its own and an emulated CPU at times. What
 * the program's files import, and what that imports, is compiled as far as import statements tell; the image has
 * the source of everything, so a module that is imported otherwise is compiled when it is needed.
 *
 * Unchecked, by hash (PEP 552): valid whatever the file's time. One process, a fixed hash seed and a fixed order,
 * because the marshal format shows how often an object was referred to: the same sources give the same bytes.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import { pathBeside } from "../store/replace-file.ts";
import { runInterpreter } from "./interpreter-run.ts";
import { withIoError } from "./io-error.ts";
import type { PythonInterpreter } from "./python-interpreter.ts";

export interface BytecodeRequest {
  readonly python: PythonInterpreter;
  /** Of the image; the .py files among them may be compiled. */
  readonly entries: readonly TreeEntry[];
  /** Where the guest's interpreter looks for modules. */
  readonly searchPath: readonly string[];
  /** Modules that are needed whatever imports them: "runpy". */
  readonly modules: readonly string[];
  /** Guest paths of files that are compiled whatever imports them. */
  readonly files: readonly string[];
  /** Changes when one of the files may have. */
  readonly fingerprint: string;
  readonly cacheDirectory: string;
  readonly signal?: AbortSignal | undefined;
}

/** Reads {files, path, modules, starts, tag}; writes a line of JSON, [guest path, size] each, and the modules. */
const COMPILER = `
import ast, json, marshal, sys
from importlib import util
request = json.load(sys.stdin)
files, path = request["files"], request["path"]
sys.setrecursionlimit(3000)
LIMIT = 4 << 20
found, queue, seen = {}, [], set()

def locate(name):
    parts = name.replace(".", "/")
    for folder in path:
        for end in ("/__init__.py", ".py"):
            candidate = folder + "/" + parts + end
            if candidate in files:
                return candidate

def want(name):
    at = -1
    while True:
        at = name.find(".", at + 1)
        part = name if at < 0 else name[:at]
        if part in seen:
            pass
        else:
            seen.add(part)
            file = locate(part)
            if file is not None and file not in found:
                found[file] = part
                queue.append(file)
        if at < 0:
            return

def imports(tree, module, is_package):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                want(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                keep = len(parts) - node.level + (1 if is_package else 0)
                if keep < 1:
                    continue
                base = ".".join(parts[:keep] + ([base] if base else []))
            if base:
                want(base)
                for alias in node.names:
                    if alias.name != "*":
                        want(base + "." + alias.name)

for start in request["starts"]:
    if start in files and start not in found:
        found[start] = "__main__"
        queue.append(start)
for name in request["modules"]:
    want(name)
index, parts, at = [], [], 0
while at < len(queue):
    file = queue[at]
    at += 1
    try:
        with open(files[file], "rb") as handle:
            data = handle.read(LIMIT + 1)
        if len(data) > LIMIT:
            continue
        tree = compile(data, file, "exec", ast.PyCF_ONLY_AST, True)
        imports(tree, found[file], file.endswith("/__init__.py"))
        code = marshal.dumps(compile(tree, file, "exec", 0, True))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, OSError):
        continue
    pyc = util.MAGIC_NUMBER + b"\\x01\\0\\0\\0" + util.source_hash(data) + code
    folder, name = file.rsplit("/", 1)
    index.append([folder + "/__pycache__/" + name[:-2] + request["tag"] + ".pyc", len(pyc)])
    parts.append(pyc)
out = sys.stdout.buffer
out.write(json.dumps(index).encode() + b"\\n")
for part in parts:
    out.write(part)
out.flush()
`;
/** Of one cache: a project has one or two that are in use. */
const KEPT_IN_CACHE = 12;

/** @throws {ImageError} when the interpreter fails, or the cache cannot be written */
export async function compiledModules(request: BytecodeRequest): Promise<FileEntry[]> {
  const { python, entries, searchPath, modules, files, cacheDirectory, signal } = request;
  const sources: Record<string, string> = {};
  for (const entry of entries) {
    if (entry.kind !== "file" || entry.source.kind !== "path") continue;
    if (entry.path.endsWith(".py")) sources[entry.path] = entry.source.path;
  }
  const settings = { path: searchPath, modules, starts: [...files].sort(), tag: python.cacheTag };
  const key = createHash("sha256").update(
    JSON.stringify([COMPILER, settings, python.executable, python.version, request.fingerprint]),
  );
  const folder = join(cacheDirectory, "python");
  const cached = join(folder, key.digest("hex"));
  const kept = await readFile(cached).catch(() => undefined);
  if (kept) {
    const now = new Date();
    await utimes(cached, now, now).catch(() => {});
    return entriesOf(kept);
  }
  const made = await runInterpreter({
    executable: python.executable,
    args: ["-s", "-S", "-W", "ignore", "-c", COMPILER],
    environment: { PYTHONHASHSEED: "0", PYTHONDONTWRITEBYTECODE: "1" },
    input: JSON.stringify({ ...settings, files: sources }),
    signal,
  });
  const result = entriesOf(made);
  await keep(folder, cached, made);
  return result;
}

function entriesOf(bytes: Buffer): FileEntry[] {
  const end = bytes.indexOf(10);
  const index = JSON.parse(bytes.toString("utf8", 0, end)) as [path: string, sizeBytes: number][];
  let at = end + 1;
  return index.map(([path, sizeBytes]) => {
    const source = { kind: "bytes", bytes: bytes.subarray(at, at + sizeBytes) } as const;
    at += sizeBytes;
    return { kind: "file", path, mode: 0o644, source };
  });
}

/** Adds to the cache, and removes what was not used for longest. */
async function keep(folder: string, path: string, bytes: Buffer): Promise<void> {
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  const beside = pathBeside(path);
  try {
    await withIoError("write", path, writeFile(beside, bytes));
    await withIoError("write", path, rename(beside, path));
  } finally {
    await rm(beside, { force: true });
  }
  const others = (await readdir(folder)).map(async (name) => {
    const facts = await stat(join(folder, name)).catch(() => undefined);
    return { name, usedMs: facts?.mtimeMs ?? 0 };
  });
  const newestFirst = (await Promise.all(others)).sort((a, b) => b.usedMs - a.usedMs);
  for (const { name } of newestFirst.slice(KEPT_IN_CACHE)) {
    await rm(join(folder, name), { force: true });
  }
}
