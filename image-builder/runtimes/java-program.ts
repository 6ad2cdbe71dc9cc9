/** Which Java program a folder is: a jar, one that Maven or Gradle has made, or sources. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { readTextFile } from "../manifest/text-file.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { pathBeside } from "../store/replace-file.ts";
import { newestSource, projectCache } from "./compiled-project.ts";
import { withIoError } from "./io-error.ts";
import { readJar } from "./jar-file.ts";
import { type JavaHome, noJava, runJava } from "./java-home.ts";
import type { RuntimeRequest } from "./runtime.ts";
import {
  compileFailed,
  findTool,
  missingTool,
  runTool,
  type Tool,
  ToolFailure,
} from "./toolchain.ts";

export interface JavaProgram {
  /** Files and folders of this host with the places that they get. */
  readonly placed: readonly { readonly hostPath: string; readonly guestPath: string }[];
  /** The project's folder is in the image, too. */
  readonly hasFolder: boolean;
  /** Between the JVM's own flags and the manifest's arguments. */
  readonly arguments: readonly string[];
  /** Host paths of jars and folders of classes, for finding out about modules. */
  readonly classPath: readonly string[];
  /** A jar of jars: nothing can be found out. */
  readonly isOpaque: boolean;
  readonly detail: string;
  readonly warnings: readonly string[];
}

interface BuildTool extends Tool {
  readonly files: readonly string[];
  /** Where it leaves jars. */
  readonly folder: string;
  readonly offline: readonly string[];
  /** What the author runs. */
  readonly command: string;
}

const BUILD_TOOLS: readonly BuildTool[] = [
  {
    ...{ program: "mvn", title: "Maven", package: "maven" },
    files: ["pom.xml"],
    folder: "target",
    offline: ["-o", "-q", "-B", "-DskipTests", "package"],
    command: "mvn package",
  },
  {
    ...{ program: "gradle", title: "Gradle", package: "gradle" },
    files: ["build.gradle", "build.gradle.kts"],
    folder: "build/libs",
    offline: ["--offline", "-q", "--no-daemon", "assemble"],
    command: "gradle assemble",
  },
];
/** What build tools leave beside the program. */
const NO_PROGRAM = /(?:-(?:sources|javadoc|tests|test-sources|plain)\.jar|^original-.*\.jar)$/;
const JAVA_SOURCE = /\.java$/;

/** @throws {ImageError} */
export async function findJavaProgram(
  request: RuntimeRequest,
  home: JavaHome,
): Promise<JavaProgram> {
  const { root, manifest } = request;
  const entry = manifest.program.kind === "script" ? manifest.program.entry : undefined;
  if (entry?.endsWith(".jar")) return await jarProgram(request, entry, true);
  if (entry !== undefined) return await sourceProgram(request, home);
  const tool = BUILD_TOOLS.find(({ files }) => files.some((file) => existsSync(join(root, file))));
  if (tool) return await builtJar(request, tool);
  const jars = await programJars(root, "");
  if (jars.length > 0) return await jarProgram(request, onlyOne(jars, root), true);
  return await sourceProgram(request, home);
}

/** Of a folder: the jars that have a main class. */
async function programJars(root: string, folder: string): Promise<string[]> {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  const names = readdirSync(path).filter((name) => name.endsWith(".jar") && !NO_PROGRAM.test(name));
  const jars: string[] = [];
  for (const name of names.sort()) {
    const { attributes } = await readJar(join(path, name));
    if (attributes.has("main-class")) jars.push(posix.join(folder, name));
  }
  return jars;
}

function onlyOne(jars: readonly string[], root: string): string {
  const [first = "", ...others] = jars;
  if (others.length === 0) return first;
  throw new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `${JSON.stringify(root)} has several programs: ${jars.slice(0, 10).join(", ")}`,
    { file: root, next: `Say which in windlass.yaml, for example entry: ${first}` },
  );
}

/** What Maven or Gradle has made; without the network they make it only if all they need is there. */
async function builtJar(request: RuntimeRequest, tool: BuildTool): Promise<JavaProgram> {
  const { root, signal } = request;
  let jars = await programJars(root, tool.folder);
  const path = findTool(tool);
  if (jars.length === 0 && path !== undefined) {
    const next = `Build it once with the network: ${tool.command}`;
    try {
      await runTool(path, tool.offline, { cwd: root, signal });
    } catch (error) {
      const what = `${tool.program} ${tool.offline.join(" ")}`;
      throw error instanceof ToolFailure ? compileFailed(what, root, error, next) : error;
    }
    jars = await programJars(root, tool.folder);
  }
  if (jars.length === 0) throw nothingBuilt(root, tool, path !== undefined);
  const jar = onlyOne(jars, root);
  const newest = newestSource(join(root), (file) => /^src\/main\//.test(file), [tool.folder]);
  const isOld = newest && newest.changedMs > statSync(join(root, jar)).mtimeMs;
  const warnings = isOld ? [`${jar} is older than ${newest.path}: run ${tool.command}`] : [];
  const program = await jarProgram(request, jar, false);
  return { ...program, warnings: [...program.warnings, ...warnings] };
}

function nothingBuilt(root: string, tool: BuildTool, hasTool: boolean): ImageError {
  const folder = join(root, tool.folder);
  if (!hasTool && !existsSync(folder)) return missingTool(tool, `build ${JSON.stringify(root)}`);
  return new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `${JSON.stringify(folder)} has no jar with a Main-Class`,
    {
      file: root,
      next: `Let ${tool.title} write Main-Class into the jar's manifest, and run ${tool.command}`,
    },
  );
}

/** A jar and what its Class-Path names; with the whole folder when it lies there by itself. */
async function jarProgram(
  { root, signal }: RuntimeRequest,
  jar: string,
  hasFolder: boolean,
): Promise<JavaProgram> {
  const path = join(root, jar);
  const { attributes, hasJars } = await readJar(path, signal ? { signal } : {});
  if (!attributes.has("main-class")) {
    throw new ImageError("WL_IMAGE_PROJECT_INVALID", `${JSON.stringify(path)} has no Main-Class`, {
      file: path,
      next: "Make an executable jar: jar --create --main-class MAIN",
    });
  }
  const beside = (attributes.get("class-path") ?? "")
    .split(" ")
    .filter((word) => word !== "" && /^(?![a-z]+:|\/)/.test(word))
    .map((word) => posix.normalize(posix.join(posix.dirname(jar), decodeURI(word))))
    .filter((inner) => !inner.startsWith("../") && existsSync(join(root, inner)));
  const folder = hasFolder ? "" : posix.dirname(jar);
  const place = (inner: string) => posix.join(APP_PATH, posix.relative(folder, inner));
  return {
    placed: [jar, ...beside].map((inner) => ({
      hostPath: join(root, inner),
      guestPath: place(inner),
    })),
    hasFolder,
    arguments: ["-jar", place(jar)],
    classPath: [jar, ...beside].map((inner) => join(root, inner)),
    isOpaque: hasJars,
    detail: jar,
    warnings: [],
  };
}

/** Every source of the folder, compiled; jars in lib/ are on its class path. */
async function sourceProgram(request: RuntimeRequest, home: JavaHome): Promise<JavaProgram> {
  const { root, signal } = request;
  if (!home.hasCompiler) throw noJava(root, "javac");
  const sources = javaSources(root);
  const main = mainClass(request, sources);
  const library = join(root, "lib");
  const jars = existsSync(library)
    ? readdirSync(library)
        .filter((name) => name.endsWith(".jar"))
        .sort()
    : [];
  const hostJars = jars.map((name) => join(library, name));
  const files = [...sources.map((path) => join(root, path)), ...hostJars];
  const classes = join(projectCache(request, "java-classes"), sourcesKey(home, files));
  if (!existsSync(classes)) {
    await compile({ home, root, sources, jars: hostJars, classes, signal });
  }
  const guestJars = jars.map((name) => `${APP_PATH}/lib/${name}`);
  return {
    placed: [
      { hostPath: classes, guestPath: `${APP_PATH}/classes` },
      ...hostJars.map((hostPath) => ({
        hostPath,
        guestPath: `${APP_PATH}/lib/${basename(hostPath)}`,
      })),
    ],
    hasFolder: false,
    arguments: ["-cp", [`${APP_PATH}/classes`, ...guestJars].join(":"), main],
    classPath: [classes, ...hostJars],
    isOpaque: false,
    detail: `${sources.length === 1 ? sources[0] : `${sources.length} sources`}, compiled`,
    warnings: [],
  };
}

interface Compilation {
  readonly home: JavaHome;
  readonly root: string;
  readonly sources: readonly string[];
  readonly jars: readonly string[];
  /** The folder of what is made; it appears when it is whole. */
  readonly classes: string;
  readonly signal: AbortSignal | undefined;
}

async function compile({ home, root, sources, jars, classes, signal }: Compilation): Promise<void> {
  const beside = pathBeside(classes);
  await withIoError("write", beside, mkdir(beside, { recursive: true }));
  try {
    const flags = ["-encoding", "UTF-8", "-nowarn", "-g:source,lines"];
    const classPath = jars.length === 0 ? [] : ["-cp", jars.join(":")];
    const args = [...flags, ...classPath, "-d", beside, ...sources];
    await runJava(home, "javac", args, { signal, cwd: root });
    await rename(beside, classes).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error; // Another build was first.
    });
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

/** Changes when what the classes are made from may have changed. */
function sourcesKey(home: JavaHome, files: readonly string[]): string {
  const hash = createHash("sha256").update(`${home.path} ${home.version}`);
  for (const path of files) {
    const { size, mtimeMs, ctimeMs, ino } = statSync(path);
    hash.update(`${path}\0${size}\0${mtimeMs}\0${ctimeMs}\0${ino}\0`);
  }
  return hash.digest("hex").slice(0, 16);
}

const NO_SOURCES = ["target", "build", "node_modules", "test", "tests"];
const SOURCES_MAX = 10_000;

function javaSources(root: string): string[] {
  const sources: string[] = [];
  newestSource(root, (path) => JAVA_SOURCE.test(path) && sources.push(path) > 0, NO_SOURCES);
  if (sources.length > 0 && sources.length <= SOURCES_MAX) return sources.sort();
  const why = sources.length === 0 ? "no jar with a Main-Class and no .java" : "too many sources";
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", `${JSON.stringify(root)} has ${why}`, {
    file: root,
    next: "Build a jar, or add Main.java",
  });
}

/** The class with a main method; the manifest's entry says which of several. */
function mainClass({ root, manifest }: RuntimeRequest, sources: readonly string[]): string {
  const entry = manifest.program.kind === "script" ? manifest.program.entry : undefined;
  const mains = (entry === undefined ? sources : [entry]).flatMap((path) => {
    const text = readTextFile(join(root, path)) ?? "";
    if (entry === undefined && !/\bstatic\s+void\s+main\s*\(\s*(?:final\s+)?String\b/.test(text))
      return [];
    const pack = /^\s*package\s+([\w.]+)\s*;/m.exec(text)?.[1];
    const name = basename(path, ".java");
    return [pack === undefined ? name : `${pack}.${name}`];
  });
  const chosen = mains.length === 1 ? mains[0] : mains.find((name) => /(?:^|\.)Main$/.test(name));
  if (chosen !== undefined) return chosen;
  const why = mains.length === 0 ? "no main method" : `several: ${mains.slice(0, 10).join(", ")}`;
  throw new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `Cannot choose a main class of ${JSON.stringify(root)}: ${why}`,
    {
      file: join(root, dirname(sources[0] ?? "")),
      next: "Say which in windlass.yaml, for example entry: src/Main.java",
    },
  );
}
