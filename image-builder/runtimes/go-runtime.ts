/**
 * Go: the project's program, compiled by this host's Go. Static, unless the program or a module of it uses
 * C; never asks the network for a module.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { readTextFile } from "../manifest/text-file.ts";
import {
  builtProgram,
  type CompiledProgram,
  commandName,
  compiledProject,
  projectCache,
} from "./compiled-project.ts";
import { GO_SERVER } from "./compiled-starters.ts";
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

const GO: Tool = {
  program: "go",
  title: "Go",
  package: "golang-go",
  folders: ["/usr/local/go/bin", "/usr/lib/go/bin", "~/go/bin", "~/sdk/go/bin"],
};

/** Where authors put a program that they have built. */
const BUILT_FOLDERS = ["", "bin", "build", "dist", "out"];

async function collect(request: RuntimeRequest): Promise<RuntimeProject> {
  const path = findTool(GO);
  const program = path === undefined ? await alreadyBuilt(request) : await compile(request, path);
  return await compiledProject(request, program);
}

async function alreadyBuilt({ root, manifest }: RuntimeRequest): Promise<CompiledProgram> {
  const module = /^module\s+"?([^\s"]+)/m.exec(readTextFile(join(root, "go.mod")) ?? "")?.[1];
  const names = [...new Set([moduleName(module ?? root), basename(root), manifest.name, "main"])];
  const own = commandName(manifest);
  const hostPath = await builtProgram({
    root,
    places: [
      ...(own === undefined ? [] : [own]),
      ...BUILT_FOLDERS.flatMap((folder) => names.map((name) => posix.join(folder, name))),
    ],
    isSource: (file) => /\.go$|(^|\/)go\.(mod|sum)$/.test(file) && !file.endsWith("_test.go"),
    because: missingTool(GO, `build ${JSON.stringify(root)}`),
  });
  return {
    runtime: { name: "go", version: "" },
    detail: `Go, ${posix.relative(root, hostPath)} as it is: this host has no Go`,
    hostPath,
    name: basename(hostPath),
  };
}

async function compile(request: RuntimeRequest, go: string): Promise<CompiledProgram> {
  const { root, manifest, cacheDirectory, signal } = request;
  const buildCache = join(cacheDirectory, "go/build-cache");
  const folder = projectCache(request, "go");
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  await withIoError("write", buildCache, mkdir(buildCache, { recursive: true }));
  const common = { ...environment(root), GOCACHE: buildCache };
  const run = async (args: readonly string[], cgo = "1"): Promise<string> => {
    try {
      const variables = { ...common, CGO_ENABLED: process.env["CGO_ENABLED"] ?? cgo };
      return await runTool(go, args, { cwd: root, environment: variables, signal });
    } catch (error) {
      throw error instanceof ToolFailure ? refused(args, root, error) : error;
    }
  };
  const version = /^go version go(\S+)/.exec(await run(["version"]))?.[1] ?? "";
  checkToolVersion("Go", threeNumbers(version), manifest.runtimeRange);
  const target = await mainPackage(request, run);
  const usesC = await hasC(target.importPath, run);
  const name = moduleName(target.importPath);
  const hostPath = join(folder, name);
  await run(["build", "-o", hostPath, target.importPath], usesC ? "1" : "0");
  return {
    runtime: { name: "go", version },
    detail: `Go ${version}, ${usesC ? "with C" : "static"}`,
    hostPath,
    name,
  };
}

type GoRun = (args: readonly string[], cgo?: string) => Promise<string>;

/**
 * The baseline of x86-64, no network, and nothing of this machine in the program: no paths, no state of
 * the project's repository. The author's own GOFLAGS come last and win.
 */
function environment(root: string): Record<string, string> {
  const own = process.env["GOFLAGS"] ?? "";
  const isVendored = existsSync(join(root, "vendor/modules.txt"));
  const flags = [
    "-trimpath",
    "-buildvcs=false",
    `-mod=${isVendored ? "vendor" : "readonly"}`,
    "-ldflags=-s",
  ];
  return {
    GOOS: "linux",
    GOARCH: "amd64",
    GOPROXY: "off",
    GOTOOLCHAIN: "local",
    GOFLAGS: [...flags, own].join(" ").trim(),
  };
}

interface MainPackage {
  readonly importPath: string;
  readonly folder: string;
}

/** The one program of the module; the manifest's entry, or its command's name, says which of several. */
async function mainPackage({ root, manifest }: RuntimeRequest, run: GoRun): Promise<MainPackage> {
  const format = '{{if eq .Name "main"}}{{.ImportPath}}\t{{.Dir}}{{end}}';
  const { program } = manifest;
  const pattern = program.kind === "script" ? `./${dirname(program.entry)}` : "./...";
  const lines = (await run(["list", "-e", "-f", format, pattern])).split("\n");
  const found = lines.flatMap((line): MainPackage[] => {
    const [importPath, folder] = line.split("\t");
    return importPath && folder ? [{ importPath, folder }] : [];
  });
  const wanted = commandName(manifest);
  const chosen =
    (found.length === 1 ? found[0] : undefined) ??
    found.find(
      ({ importPath }) => wanted !== undefined && moduleName(importPath) === basename(wanted),
    ) ??
    found.find(({ folder }) => folder === root);
  if (chosen) return chosen;
  const folders = found.map(({ folder }) => `./${posix.relative(root, folder)}`).slice(0, 10);
  const why = found.length === 0 ? "no package main" : `several programs: ${folders.join(", ")}`;
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", `${JSON.stringify(root)} has ${why}`, {
    file: join(root, "go.mod"),
    next:
      found.length === 0
        ? "Add a package main with a function main"
        : "Say which in windlass.yaml, for example entry: cmd/server/main.go",
  });
}

/** Whether anything but the standard library, which does without, uses C. */
async function hasC(importPath: string, run: GoRun): Promise<boolean> {
  const format = "{{if not .Standard}}{{len .CgoFiles}}{{end}}";
  const lines = (await run(["list", "-e", "-deps", "-f", format, importPath])).split("\n");
  return lines.some((line) => Number(line) > 0);
}

function refused(args: readonly string[], root: string, failure: ToolFailure): ImageError {
  const what = `go ${args[0]}`;
  const unfetched = /GOPROXY=off|no required module|cannot find module|missing go\.sum entry/;
  if (unfetched.test(failure.words)) {
    return compileFailed(
      what,
      root,
      failure,
      "Fetch its modules once: go mod download (or vendor)",
    );
  }
  if (/C compiler "[^"]*" not found|exec: "gcc"/.test(failure.words)) {
    return compileFailed(
      what,
      root,
      failure,
      "Install a C compiler: apt-get install gcc libc6-dev",
    );
  }
  return compileFailed(what, root, failure);
}

/** The last part of an import path that is no major version: "example.org/shop/v2" is "shop". */
function moduleName(importPath: string): string {
  const parts = importPath.split("/").filter((part) => part !== "" && !/^v[0-9]+$/.test(part));
  return parts.at(-1) ?? "main";
}

/** Go's versions may have two numbers: "1.20" is 1.20.0, "1.21rc2" is 1.21.0. */
function threeNumbers(version: string): string {
  const [, major = "0", minor = "0", patch = "0"] =
    /^([0-9]+)\.([0-9]+)(?:\.([0-9]+))?/.exec(version) ?? [];
  return `${major}.${minor}.${patch}`;
}

export const goRuntime: Runtime = {
  name: "go",
  title: "Go",
  summary: "A program compiled by this host's Go, static unless it uses C",
  markers: ["go.mod"],
  packages: ["golang-go"],
  collect,
  starter: (name) => ({ "go.mod": `module ${name}\n\ngo 1.19\n`, "main.go": GO_SERVER }),
};
