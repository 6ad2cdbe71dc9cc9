/** What there is to say of a runtime without a project: for `windlass runtime ls` and `describe`. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { choosePython } from "./python-interpreter.ts";
import { findRuby } from "./ruby-interpreter.ts";
import { RUNTIME_NAMES, type RuntimeName } from "./runtime.ts";
import { loadRuntime } from "./runtimes.ts";
import { findTool } from "./toolchain.ts";

export interface RuntimeFacts {
  readonly name: RuntimeName;
  readonly title: string;
  /** What of it an image has. */
  readonly summary: string;
  readonly markers: readonly string[];
  /** Whether this host can build it. */
  readonly isAvailable: boolean;
  /** Of this host's; null when it is not there, or has none. */
  readonly version: string | null;
  /** Debian packages that are missing; empty for one that Debian does not have. */
  readonly missingPackages: readonly string[];
  /** How it is installed when no Debian package has it. */
  readonly install: string | null;
  /** Of windlass.yaml. */
  readonly manifest: string;
  readonly limits: readonly string[];
}

interface Probe {
  /** Any one of them will do. */
  readonly programs: readonly string[];
  readonly folders?: readonly string[];
  readonly versionFlag: string;
  readonly install?: string;
}

/** Executables that tell whether a runtime is there; those without need nothing of the host. */
const PROBES: Partial<Record<RuntimeName, Probe>> = {
  deno: {
    programs: ["deno"],
    folders: ["~/.deno/bin"],
    versionFlag: "--version",
    install: "npm install --global deno",
  },
  bun: {
    programs: ["bun"],
    folders: ["~/.bun/bin"],
    versionFlag: "--version",
    install: "npm install --global bun",
  },
  go: {
    programs: ["go"],
    folders: ["/usr/local/go/bin", "/usr/lib/go/bin"],
    versionFlag: "version",
  },
  rust: { programs: ["cargo"], folders: ["~/.cargo/bin"], versionFlag: "--version" },
  java: { programs: ["java"], versionFlag: "--version" },
  c: { programs: ["cc", "gcc", "clang"], versionFlag: "--version" },
};

/** Asked as a build asks them: what is first in PATH may be a version manager's script. */
const INTERPRETERS: Partial<Record<RuntimeName, () => Promise<{ readonly version: string }>>> = {
  python: () => choosePython(undefined),
  ruby: () => findRuby(),
};

const EXAMPLES: Readonly<Record<RuntimeName, string>> = {
  node: 'runtime: "node@>=20"\nentry: server.js',
  deno: "runtime: deno\nentry: main.ts",
  bun: "runtime: bun\nentry: index.ts",
  go: "runtime: go",
  rust: "runtime: rust",
  java: "runtime: java",
  python: 'runtime: python\ncommand: ["python3", "app.py"]',
  ruby: 'runtime: ruby\ncommand: ["ruby", "app.rb"]',
  wasm: "runtime: wasm\nentry: hello.wasm",
  c: "runtime: c",
  native: 'runtime: native\ncommand: ["./program"]',
};

const LIMITS: Partial<Record<RuntimeName, readonly string[]>> = {
  node: [
    "isolation: thread has no chdir, no other user, no templates, and emulated signals",
    "node_modules hold what package.json names: install before building",
  ],
  deno: [
    'Remote modules have to be in the folder: "vendor": true in deno.json, or node_modules',
    "Permissions are all granted unless tasks.start or the command says otherwise",
  ],
  bun: ["node_modules go into the image whole, with what is for development only"],
  wasm: [
    "WASI preview 1 only: no sockets, no threads; files below /app, /tmp and the working directory",
  ],
};

const NODE = {
  title: "Node",
  summary: "The Node that runs Windlass, or the version that the project asks for from npm",
  markers: ["package.json"],
};
const VERSION_TIMEOUT_MS = 10_000;
const VERSION = /\d+\.\d+(?:\.\d+)?[\w.+-]*/;

/** All of them, in the order in which manifests list them. */
export async function allRuntimeFacts(): Promise<RuntimeFacts[]> {
  return (await Promise.all(RUNTIME_NAMES.map(runtimeFacts))).filter((one) => one !== undefined);
}

/** @returns undefined for a runtime that Windlass knows by name only */
export async function runtimeFacts(name: RuntimeName): Promise<RuntimeFacts | undefined> {
  const runtime = name === "node" ? { ...NODE, packages: [] } : await loadRuntime(name);
  if (!runtime) return undefined;
  const { title, summary, markers, packages } = runtime;
  const { isAvailable, version } = await hostsOwn(name);
  return {
    ...{ name, title, summary, markers, isAvailable, version },
    missingPackages: isAvailable ? [] : packages,
    install: isAvailable || packages.length > 0 ? null : (PROBES[name]?.install ?? null),
    manifest: EXAMPLES[name],
    limits: LIMITS[name] ?? [],
  };
}

async function hostsOwn(name: RuntimeName): Promise<Pick<RuntimeFacts, "isAvailable" | "version">> {
  if (name === "node") return { isAvailable: true, version: process.versions.node };
  const interpreter = INTERPRETERS[name];
  if (interpreter) {
    return await interpreter().then(
      ({ version }) => ({ isAvailable: true, version }),
      () => ({ isAvailable: false, version: null }),
    );
  }
  const probe = PROBES[name];
  const path = probe && findProgram(probe);
  const isAvailable = probe === undefined || path !== undefined;
  return { isAvailable, version: await versionOf(path, probe) };
}

function findProgram({ programs, folders = [] }: Probe): string | undefined {
  return programs
    .map((program) => findTool({ program, folders }))
    .find((path) => path !== undefined && existsSync(path));
}

/** null when it does not say in time, too. */
async function versionOf(
  path: string | undefined,
  probe: Probe | undefined,
): Promise<string | null> {
  if (path === undefined || !probe) return null;
  try {
    const { stdout } = await promisify(execFile)(path, [probe.versionFlag], {
      timeout: VERSION_TIMEOUT_MS,
    });
    return VERSION.exec(stdout)?.[0] ?? null;
  } catch {
    return null;
  }
}
