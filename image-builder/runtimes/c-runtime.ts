/**
 * C and C++: with a Makefile what make makes, otherwise all sources beside main.c, main.cc or main.cpp as
 * one program; with the libraries that it needs.
 */
import { readdirSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { pathBeside } from "../store/replace-file.ts";
import { classifyBinary } from "./binary-kind.ts";
import {
  builtProgram,
  type CompiledProgram,
  commandName,
  compiledProject,
  projectCache,
} from "./compiled-project.ts";
import { C_SERVER } from "./compiled-starters.ts";
import { withIoError } from "./io-error.ts";
import type { Runtime, RuntimeProject, RuntimeRequest } from "./runtime.ts";
import {
  compileFailed,
  findTool,
  missingTool,
  runTool,
  type Tool,
  ToolFailure,
} from "./toolchain.ts";

const MAKE: Tool = { program: "make", title: "GNU make", package: "make" };
const C_COMPILER: Tool = { program: "cc", title: "a C compiler", package: "gcc libc6-dev" };
const CPP_COMPILER: Tool = { program: "c++", title: "a C++ compiler", package: "g++" };

/** In make's own order (GNU make manual, 3.2). */
const MAKEFILES = ["GNUmakefile", "makefile", "Makefile"];
const MAINS = ["main.c", "main.cc", "main.cpp"];
const SOURCE = /\.(?:c|cc|cpp|cxx|h|hh|hpp)$/;
/** How deep below the project's folder a Makefile may put its program. */
const DEPTH_MAX = 4;

async function collect(request: RuntimeRequest): Promise<RuntimeProject> {
  const { root, manifest } = request;
  const names = readdirSync(root);
  const hasMakefile = MAKEFILES.some((name) => names.includes(name));
  const isSourceNamed = manifest.program.kind === "script";
  const program =
    hasMakefile && !isSourceNamed ? await made(request) : await compiled(request, names);
  return await compiledProject(request, program);
}

async function made(request: RuntimeRequest): Promise<CompiledProgram> {
  const { root, signal } = request;
  const make = findTool(MAKE);
  if (make === undefined) return await alreadyMade(request);
  await run(make, [`-j${availableParallelism()}`], root, signal);
  const path = await chooseMade(request);
  return {
    ...identity(""),
    detail: `${path}, made by make`,
    hostPath: join(root, path),
    name: path,
  };
}

/** Without make, the program that is there, if it is no older than the sources. */
async function alreadyMade(request: RuntimeRequest): Promise<CompiledProgram> {
  const { root, manifest } = request;
  const hostPath = await builtProgram({
    root,
    places: [...new Set([commandName(manifest) ?? manifest.name, basename(root)])],
    isSource: (file) => SOURCE.test(file) || MAKEFILES.includes(file),
    because: missingTool(MAKE, `build ${JSON.stringify(root)}`),
  });
  const name = posix.relative(root, hostPath);
  return { ...identity(""), detail: `${name} as it is: this host has no make`, hostPath, name };
}

/** The one executable below the folder, or the one with the image's name, or the command's. */
async function chooseMade({ root, manifest }: RuntimeRequest): Promise<string> {
  const found: string[] = [];
  const look = async (folder: string, depth: number): Promise<void> => {
    for (const item of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, item.name);
      if (item.name.startsWith(".") || item.name === "node_modules") continue;
      if (item.isDirectory() && depth < DEPTH_MAX) await look(path, depth + 1);
      if (!item.isFile() || SOURCE.test(item.name) || /\.(?:o|a)$/.test(item.name)) continue;
      if ((await classifyBinary(join(root, path))) === "elf-executable") found.push(path);
    }
  };
  await look("", 0);
  const wanted = commandName(manifest);
  const named = (name: string) => found.filter((path) => basename(path) === name);
  const own = [manifest.name, basename(root)].map(named).find(({ length }) => length === 1);
  const chosen = wanted === undefined ? (found.length === 1 ? found : own)?.[0] : wanted;
  if (chosen !== undefined && found.includes(chosen)) return chosen;
  const list = found.slice(0, 10).join(", ");
  const why =
    found.length === 0
      ? "make made no executable"
      : chosen === undefined
        ? `there are several executables: ${list}`
        : `make made no ${chosen}, but ${list}`;
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", `Cannot choose a program of ${root}: ${why}`, {
    file: join(root, "Makefile"),
    next: 'Say which in windlass.yaml, for example command: ["./server"]',
  });
}

async function compiled(
  request: RuntimeRequest,
  names: readonly string[],
): Promise<CompiledProgram> {
  const { root, manifest, signal } = request;
  const { program } = manifest;
  const main =
    program.kind === "script" ? program.entry : MAINS.find((name) => names.includes(name));
  if (main === undefined) {
    throw new ImageError("WL_IMAGE_PROJECT_INVALID", `${root} has no Makefile and no main.c`, {
      file: root,
      next: "Add one, or say in windlass.yaml which source is the program, for example entry: server.c",
    });
  }
  const isCpp = !main.endsWith(".c");
  const tool = isCpp ? CPP_COMPILER : C_COMPILER;
  const compiler = findTool(tool);
  if (compiler === undefined) throw missingTool(tool, `compile ${JSON.stringify(main)}`);
  const version = (await run(compiler, ["-dumpfullversion", "-dumpversion"], root, signal)).trim();
  // An entry is the whole program; main.c has the other sources of its folder with it.
  const sources =
    program.kind === "script"
      ? [main]
      : names.filter((name) => (isCpp ? /\.(?:c|cc|cpp|cxx)$/ : /\.c$/).test(name)).sort();
  const folder = projectCache(request, "c");
  const hostPath = join(folder, manifest.name);
  const beside = pathBeside(hostPath);
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  try {
    const flags = ["-O2", "-pthread", `-ffile-prefix-map=${root}=/app`, "-I", dirname(main)];
    await run(compiler, [...flags, "-o", beside, ...sources, "-lm"], root, signal);
    await withIoError("write", hostPath, rename(beside, hostPath));
  } finally {
    await rm(beside, { force: true });
  }
  return {
    ...identity(version),
    detail: `${sources.join(" ")}, compiled by ${basename(compiler)} ${version}`,
    hostPath,
    name: manifest.name,
  };
}

function identity(version: string): Pick<CompiledProgram, "runtime"> {
  return { runtime: { name: "c", version } };
}

async function run(
  path: string,
  args: readonly string[],
  root: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  try {
    return await runTool(path, args, { cwd: root, signal });
  } catch (error) {
    throw error instanceof ToolFailure ? compileFailed(basename(path), root, error) : error;
  }
}

export const cRuntime: Runtime = {
  name: "c",
  title: "C and C++",
  summary: "What make makes, or main.c compiled, with the libraries that it needs",
  markers: ["Makefile", ...MAINS],
  packages: ["gcc", "libc6-dev", "make"],
  collect,
  starter: () => ({ "main.c": C_SERVER }),
};
