/**
 * Rust: the project's program, built by this host's cargo without the network. For musl, and so static,
 * when that target is installed; otherwise for glibc, with the libraries that the program needs.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import {
  builtProgram,
  type CompiledProgram,
  commandName,
  compiledProject,
  projectCache,
} from "./compiled-project.ts";
import { RUST_SERVER } from "./compiled-starters.ts";
import { withIoError } from "./io-error.ts";
import type { Runtime, RuntimeProject, RuntimeRequest } from "./runtime.ts";
import {
  checkToolVersion,
  compileFailed,
  findTool,
  missingTool,
  runTool,
  type Tool,
  ToolFailure,
} from "./toolchain.ts";

const CARGO_FOLDERS = ["~/.cargo/bin"];
const CARGO: Tool = {
  program: "cargo",
  title: "Rust's build tool",
  package: "cargo",
  folders: CARGO_FOLDERS,
};
const RUSTC: Tool = { program: "rustc", title: "Rust", package: "rustc", folders: CARGO_FOLDERS };
const MUSL_TARGET = "x86_64-unknown-linux-musl";

async function collect(request: RuntimeRequest): Promise<RuntimeProject> {
  const cargo = findTool(CARGO);
  const rustc = findTool(RUSTC);
  const program =
    cargo === undefined || rustc === undefined
      ? await alreadyBuilt(request, cargo === undefined ? CARGO : RUSTC)
      : await compile(request, cargo, rustc);
  return await compiledProject(request, program);
}

async function alreadyBuilt(request: RuntimeRequest, missing: Tool): Promise<CompiledProgram> {
  const { root, manifest } = request;
  const own = commandName(manifest);
  const names = [...new Set([manifest.name, basename(root)])];
  const hostPath = await builtProgram({
    root,
    places: [
      ...(own === undefined ? [] : [own]),
      ...[`target/${MUSL_TARGET}/release`, "target/release"].flatMap((folder) =>
        names.map((name) => `${folder}/${name}`),
      ),
    ],
    isSource: (file) => /\.rs$|(^|\/)Cargo\.(toml|lock)$/.test(file),
    leftOut: ["target"],
    because: missingTool(missing, `build ${JSON.stringify(root)}`),
  });
  return {
    runtime: { name: "rust", version: "" },
    detail: `Rust, ${posix.relative(root, hostPath)} as it is: this host has no ${missing.program}`,
    hostPath,
    name: basename(hostPath),
  };
}

async function compile(
  request: RuntimeRequest,
  cargo: string,
  rustc: string,
): Promise<CompiledProgram> {
  const { root, manifest, signal } = request;
  const targetFolder = projectCache(request, "rust");
  await withIoError("write", targetFolder, mkdir(targetFolder, { recursive: true }));
  const environment = { CARGO_TARGET_DIR: targetFolder, CARGO_TERM_COLOR: "never" };
  const run = async (path: string, args: readonly string[]): Promise<string> => {
    try {
      return await runTool(path, args, { cwd: root, environment, signal });
    } catch (error) {
      throw error instanceof ToolFailure
        ? refused(`${basename(path)} ${args[0]}`, root, error)
        : error;
    }
  };
  const version = /^rustc ([0-9.]+)/.exec(await run(rustc, ["--version"]))?.[1] ?? "";
  checkToolVersion("Rust", version, manifest.runtimeRange);
  const metadata = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
  const name = chooseProgram(request, await run(cargo, metadata));
  const isMusl = await hasMusl(rustc, run);
  const lock = existsSync(join(root, "Cargo.lock")) ? ["--locked"] : [];
  const output = await run(cargo, [
    ...["build", "--release", "--offline", ...lock, "--bin", name],
    "--message-format=json-render-diagnostics",
    ...(isMusl ? ["--target", MUSL_TARGET] : []),
  ]);
  return {
    runtime: { name: "rust", version },
    detail: `Rust ${version}, ${isMusl ? "static (musl)" : "with glibc"}`,
    hostPath: executableOf(output, name, root),
    name,
  };
}

async function hasMusl(
  rustc: string,
  run: (path: string, args: readonly string[]) => Promise<string>,
): Promise<boolean> {
  const folder = await run(rustc, ["--print", "target-libdir", "--target", MUSL_TARGET]);
  return existsSync(folder.trim());
}

/** What of `cargo metadata` is read; everything else is left alone. */
interface Metadata {
  readonly packages: readonly {
    readonly name: string;
    readonly default_run: string | null;
    readonly targets: readonly {
      readonly name: string;
      readonly kind: readonly string[];
      readonly src_path: string;
    }[];
  }[];
}

function chooseProgram({ root, manifest }: RuntimeRequest, text: string): string {
  const { packages } = JSON.parse(text) as Metadata;
  const programs = packages.flatMap((item) =>
    item.targets.filter(({ kind }) => kind.includes("bin")),
  );
  const { program } = manifest;
  const wanted = commandName(manifest);
  const chosen =
    program.kind === "script"
      ? programs.find(({ src_path }) => src_path === join(root, program.entry))
      : programs.length === 1
        ? programs[0]
        : (programs.find(({ name }) => wanted !== undefined && name === basename(wanted)) ??
          programs.find(({ name }) => packages.some((item) => item.default_run === name)) ??
          programs.find(({ name }) => name === manifest.name));
  if (chosen) return chosen.name;
  const names = programs.map(({ name }) => name).slice(0, 10);
  const why = names.length === 0 ? "no program" : `several programs: ${names.join(", ")}`;
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", `${JSON.stringify(root)} has ${why}`, {
    file: join(root, "Cargo.toml"),
    next:
      names.length === 0
        ? "Add src/main.rs with a function main"
        : "Say which in windlass.yaml, for example entry: src/bin/server.rs; or default-run in Cargo.toml",
  });
}

/** The path in cargo's "compiler-artifact" message for the program. */
function executableOf(output: string, name: string, root: string): string {
  for (const line of output.split("\n")) {
    if (!line.startsWith('{"reason":"compiler-artifact"')) continue;
    const message = JSON.parse(line) as {
      target: { name: string; kind: readonly string[] };
      executable: string | null;
    };
    const isIt = message.target.name === name && message.target.kind.includes("bin");
    if (isIt && message.executable !== null) return message.executable;
  }
  throw new ImageError("WL_IMAGE_COMPILE_FAILED", `cargo made no program ${name} of ${root}`, {
    file: root,
    next: "See what it makes: cargo build --release",
  });
}

function refused(what: string, root: string, failure: ToolFailure): ImageError {
  if (/linker `[^`]*` not found/.test(failure.words)) {
    return compileFailed(what, root, failure, "Install a linker: apt-get install gcc libc6-dev");
  }
  if (/--offline|offline mode|no matching package|failed to download/.test(failure.words)) {
    return compileFailed(
      what,
      root,
      failure,
      "Fetch its crates once: cargo fetch (or cargo vendor)",
    );
  }
  return compileFailed(what, root, failure);
}

/** Cargo's names have no dots, and begin with a letter. */
function manifestText(name: string): string {
  const packageName = name.replace(/^(?=[^a-z])/, "app-").replaceAll(".", "-");
  return `[package]\nname = "${packageName}"\nversion = "1.0.0"\nedition = "2021"\npublish = false\n`;
}

export const rustRuntime: Runtime = {
  name: "rust",
  title: "Rust",
  summary: "A program built by this host's cargo, static when Rust's musl target is installed",
  markers: ["Cargo.toml"],
  packages: ["cargo", "rustc", "gcc", "libc6-dev"],
  collect,
  starter: (name) => ({ "Cargo.toml": manifestText(name), "src/main.rs": RUST_SERVER }),
};
