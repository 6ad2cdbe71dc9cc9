/** All runtimes but Node's, each loaded when it is needed. */
import { readdirSync } from "node:fs";
import { RUNTIME_NAMES, type Runtime, type RuntimeName } from "./runtime.ts";

type OtherRuntime = Exclude<RuntimeName, "node">;

const LOADERS: Partial<Record<OtherRuntime, () => Promise<Runtime>>> = {
  go: async () => (await import("./go-runtime.ts")).goRuntime,
  rust: async () => (await import("./rust-runtime.ts")).rustRuntime,
  java: async () => (await import("./java-runtime.ts")).javaRuntime,
  c: async () => (await import("./c-runtime.ts")).cRuntime,
  python: async () => (await import("./python-runtime.ts")).pythonRuntime,
  deno: async () => (await import("./deno-runtime.ts")).denoRuntime,
  bun: async () => (await import("./bun-runtime.ts")).bunRuntime,
  wasm: async () => (await import("./wasm-runtime.ts")).wasmRuntime,
  ruby: async () => (await import("./ruby-runtime.ts")).rubyRuntime,
  native: async () => (await import("./native-runtime.ts")).nativeRuntime,
};

/** What tells a folder's runtime, without loading it. */
const MARKERS: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: ["package.json"],
  deno: ["deno.json", "deno.jsonc"],
  bun: ["bun.lock", "bun.lockb", "bunfig.toml"],
  go: ["go.mod"],
  rust: ["Cargo.toml"],
  java: ["pom.xml", "build.gradle", "build.gradle.kts", "*.jar", "*.java"],
  python: ["pyproject.toml", "requirements.txt", "setup.py", "main.py", "app.py"],
  ruby: ["Gemfile", "config.ru", "main.rb", "app.rb"],
  wasm: ["*.wasm"],
  c: ["Makefile", "makefile", "GNUmakefile", "main.c", "main.cc", "main.cpp"],
  native: [],
};
/** Programs of every kind have them. */
const ANYBODYS: readonly string[] = ["Makefile", "makefile", "GNUmakefile"];
/** A folder may have a package.json for its tools and be something else. */
const BEFORE_NODE: readonly RuntimeName[] = ["deno", "bun"];

/** @returns undefined for a runtime that Windlass knows by name only */
export async function loadRuntime(name: OtherRuntime): Promise<Runtime | undefined> {
  return await LOADERS[name]?.();
}

/** A runtime that a folder has a file of. */
export interface FoundRuntime {
  readonly name: RuntimeName;
  /** The first that says so: "go.mod". */
  readonly file: string;
  /** A Makefile may be anybody's. */
  readonly isTelling: boolean;
}

/** What a folder may be by its files; the first is what it is taken for. */
export function foundRuntimes(folder: string): FoundRuntime[] {
  return runtimesOfFiles(readdirSync(folder).sort());
}

/** Of a folder with files of these names; undefined when nothing tells. */
export function runtimeOfFiles(names: readonly string[]): RuntimeName | undefined {
  return runtimesOfFiles(names)[0]?.name;
}

/** A package.json is Node's, or Deno's and Bun's. */
function runtimesOfFiles(names: readonly string[]): FoundRuntime[] {
  const order = [...BEFORE_NODE, ...RUNTIME_NAMES.filter((name) => !BEFORE_NODE.includes(name))];
  return order.flatMap((name) => {
    const isOf = (marker: string, file: string): boolean =>
      marker.startsWith("*") ? file.endsWith(marker.slice(1)) : file === marker;
    const files = MARKERS[name].flatMap((marker) => names.filter((file) => isOf(marker, file)));
    const [first] = files;
    if (first === undefined) return [];
    const telling = files.find((file) => !ANYBODYS.includes(file));
    return [{ name, file: telling ?? first, isTelling: telling !== undefined }];
  });
}
