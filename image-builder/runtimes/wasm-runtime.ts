/** WebAssembly modules for WASI (preview 1), run by the Node that every image has. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { APP_PATH, NODE_PATH } from "../project/guest-paths.ts";
import { folderContent } from "../project/project-folder.ts";
import type { FileEntry } from "../rootfs/tree.ts";
import { withIoError } from "./io-error.ts";
import { commandOf, type Runtime, type RuntimeProject, type RuntimeRequest } from "./runtime.ts";
import { WASM_MAKE } from "./wasm-starter.ts";

const LAUNCHER_PATH = "/usr/lib/windlass-wasi/run.mjs";
const MODULE_BYTES_MAX = 256 * 1024 * 1024;
const WASI_MODULE = "wasi_snapshot_preview1";

/** The module's own view: its folder, temporary files, and the variables that are the program's. */
const LAUNCHER = `import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [, , path, ...args] = process.argv;
const { NODE_OPTIONS: _ours, ...env } = process.env;
const wasi = new WASI({
  version: "preview1",
  args: [path, ...args],
  env,
  preopens: { "/app": "/app", "/tmp": "/tmp", ".": process.cwd() },
  returnOnExit: true,
});
const { instance } = await WebAssembly.instantiate(readFileSync(path), wasi.getImportObject());
process.exitCode = wasi.start(instance);
`;

async function collect({ root, manifest, signal }: RuntimeRequest): Promise<RuntimeProject> {
  const [path, ...args] = moduleOf(root, manifest.program);
  await checkModule(join(root, path));
  const content = await folderContent({ root, manifest, signal });
  const bytes = Buffer.from(LAUNCHER);
  const source = { kind: "bytes", bytes } as const;
  const launcher: FileEntry = { kind: "file", path: LAUNCHER_PATH, mode: 0o644, source };
  const folder = posix.dirname(LAUNCHER_PATH);
  return {
    entries: [...content.entries, { kind: "directory", path: folder, mode: 0o755 }, launcher],
    // Node's WASI is experimental, and says so at every start.
    argv: [
      NODE_PATH,
      "--no-warnings",
      LAUNCHER_PATH,
      `${APP_PATH}/${path}`,
      ...args,
      ...manifest.args,
    ],
    nativeAddons: [],
    dependencies: [],
    fingerprint: createHash("sha256").update(content.fingerprint).update(LAUNCHER).digest("hex"),
    warnings: manifest.warnings,
    runtime: { name: "wasm", version: "preview1" },
    detail: `${path}, WASI preview 1 in Node`,
    env: {},
  };
}

function moduleOf(
  root: string,
  program: RuntimeRequest["manifest"]["program"],
): [string, ...string[]] {
  if (program.kind === "script") return [program.entry];
  const command = commandOf(program);
  if (command?.[0] !== undefined) return [posix.normalize(command[0]), ...command.slice(1)];
  const names = readdirSync(root).filter((name) => name.endsWith(".wasm"));
  const [first] = names;
  if (first !== undefined && names.length === 1) return [first];
  const what = names.length === 0 ? "no .wasm file" : `${names.length} .wasm files`;
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", `There is ${what} in ${root}`, {
    next: 'Build the project first, and name the module with "entry" in windlass.yaml',
  });
}

/** @throws {ImageError} WL_IMAGE_BINARY_INVALID when Node's WASI cannot run it */
async function checkModule(file: string): Promise<void> {
  const invalid = (why: string, next: string): ImageError =>
    new ImageError("WL_IMAGE_BINARY_INVALID", `Cannot use ${file}: ${why}`, { file, next });
  const { size } = await withIoError("read", file, stat(file));
  if (size > MODULE_BYTES_MAX) throw invalid("it has more than 256 MiB", "Split the module");
  let imports: readonly { readonly module: string; readonly name: string }[];
  let exports: readonly { readonly name: string }[];
  try {
    const { compile, Module } = webAssembly();
    const module = await compile(await withIoError("read", file, readFile(file)));
    imports = Module.imports(module);
    exports = Module.exports(module);
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const next = "Build it as a core module for WASI preview 1 (wasm32-wasi, wasm32-wasip1)";
    throw invalid(`it is no WebAssembly module that Node knows: ${(error as Error).message}`, next);
  }
  const foreign = imports.find((one) => one.module !== WASI_MODULE);
  if (foreign) {
    const why = `it imports ${foreign.module}.${foreign.name}, and there is ${WASI_MODULE} only`;
    throw invalid(why, "Build it for WASI preview 1, without a host of its own");
  }
  const exported = exports.map(({ name }) => name);
  const missing = ["_start", "memory"].find((name) => !exported.includes(name));
  if (missing !== undefined) {
    throw invalid(`it exports no ${missing}`, "Build it as a command, not as a library (reactor)");
  }
}

export const wasmRuntime: Runtime = {
  name: "wasm",
  title: "WebAssembly",
  summary: "The module, which Node's WASI (preview 1) runs with /app and /tmp open to it",
  markers: ["*.wasm"],
  packages: [],
  collect,
  starter: () => ({ "make.mjs": WASM_MAKE }),
  starterUse: "node make.mjs && windlass run --rm .",
};

/** Of the engine: TypeScript knows it with the browser's library only. */
interface WebAssemblyObject {
  compile(bytes: Uint8Array): Promise<object>;
  readonly Module: {
    imports(module: object): readonly { readonly module: string; readonly name: string }[];
    exports(module: object): readonly { readonly name: string }[];
  };
}

function webAssembly(): WebAssemblyObject {
  return (globalThis as unknown as { readonly WebAssembly: WebAssemblyObject }).WebAssembly;
}
