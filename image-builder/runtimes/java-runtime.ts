/**
 * Java: a jar or sources, with a runtime of the modules that they use where this host's JDK can make one
 * (jlink), otherwise with this host's whole JRE.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import type { Manifest } from "../manifest/manifest.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import type { NativeAddon } from "../project/project.ts";
import { walkPlaced } from "../project/project-content.ts";
import { folderContent } from "../project/project-folder.ts";
import { TreeWalk } from "../project/tree-walk.ts";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import { closureEntries } from "./closure-entries.ts";
import { askedContent } from "./compiled-project.ts";
import { JAVA_SERVER } from "./compiled-starters.ts";
import {
  findJava,
  JAVA_GUEST_HOME,
  type JavaHome,
  javaEntries,
  linkedJava,
  noJava,
  runJava,
} from "./java-home.ts";
import { findJavaProgram, type JavaProgram } from "./java-program.ts";
import { libraryClosure } from "./library-closure.ts";
import { commandOf, type Runtime, type RuntimeProject, type RuntimeRequest } from "./runtime.ts";
import { checkToolVersion } from "./toolchain.ts";

const JAVA_PATH = `${JAVA_GUEST_HOME}/bin/java`;
/** Found at run time by name only: TLS with elliptic curves, zip file systems, what libraries reach for. */
const ALWAYS = ["java.base", "jdk.crypto.ec", "jdk.unsupported", "jdk.zipfs"];
/** For programs that nothing can be found out about. */
const WIDE = [
  ...ALWAYS,
  "java.se",
  "jdk.httpserver",
  "jdk.localedata",
  "jdk.management",
  "jdk.net",
];

async function collect(request: RuntimeRequest): Promise<RuntimeProject> {
  const { root, manifest, cacheDirectory, signal } = request;
  const home = findJava();
  if (!home) throw noJava(root, "java");
  checkToolVersion("Java", home.version, manifest.runtimeRange);
  const command = javaCommand(manifest);
  const program = command
    ? await commandProgram(root, command)
    : await findJavaProgram(request, home);
  const modules = home.hasJlink ? await neededModules(home, program, signal) : [];
  const linked = home.hasJlink
    ? await linkedJava({ home, modules, cacheDirectory, signal })
    : home.path;
  const java = javaEntries(linked, home);
  const content = await programContent(request, program);
  const what = home.hasJlink ? `${modules.length} modules` : "the whole JRE";
  return {
    entries: [
      ...content.entries,
      ...java,
      { kind: "symlink", path: "/usr/bin/java", target: JAVA_PATH },
      ...(await libraries(java, signal)),
    ],
    argv: [JAVA_PATH, ...jvmFlags(manifest, command), ...program.arguments, ...manifest.args],
    nativeAddons: startFiles(java),
    dependencies: [],
    fingerprint: createHash("sha256")
      .update(JSON.stringify([content.fingerprint, linked, home.version, program.arguments]))
      .digest("hex"),
    warnings: [...manifest.warnings, ...program.warnings],
    runtime: { name: "java", version: home.version },
    detail: `Java ${home.version}, ${what}; ${program.detail}`,
    env: { JAVA_HOME: JAVA_GUEST_HOME },
  };
}

/** The author's own command line of java, without "java". */
function javaCommand(manifest: Manifest): readonly string[] | undefined {
  const argv = commandOf(manifest.program);
  if (argv === undefined) return undefined;
  const [command = "", ...args] = argv;
  return posix.basename(command) === "java" ? args : undefined;
}

/** The whole folder goes in; jars and folders of the command line tell about modules. */
async function commandProgram(root: string, command: readonly string[]): Promise<JavaProgram> {
  const named = command.flatMap((word, index) => {
    const before = command[index - 1] ?? "";
    if (/^(-cp|-classpath|--class-path|-p|--module-path)$/.test(before)) return word.split(":");
    return before === "-jar" ? [word] : [];
  });
  const classPath = named
    .map((path) => resolve(root, posix.relative(APP_PATH, posix.resolve(APP_PATH, path))))
    .filter((path) => existsSync(path));
  return {
    placed: [],
    hasFolder: true,
    arguments: command,
    classPath,
    isOpaque: classPath.length === 0,
    detail: "with the manifest's command",
    warnings: [],
  };
}

/**
 * As `jdeps` finds them in class files, with those of the command line's --add-modules; all of Java SE
 * where jdeps can say nothing.
 */
async function neededModules(
  home: JavaHome,
  program: JavaProgram,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const added = program.arguments.flatMap((word, index) => {
    const value = program.arguments[index - 1] === "--add-modules" ? word : word.split("=", 2)[1];
    const isAdded = word.startsWith("--add-modules=") || value === word;
    return isAdded ? (value ?? "").split(",").filter((name) => /^[\w.]+$/.test(name)) : [];
  });
  const found = program.isOpaque ? WIDE : await jdeps(home, program.classPath, signal);
  return [...new Set([...ALWAYS, ...found, ...added])]
    .filter((name) => existsSync(join(home.path, "jmods", `${name}.jmod`)))
    .sort();
}

async function jdeps(
  home: JavaHome,
  classPath: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const release = home.version.split(".")[0] ?? "17";
  const flags = ["--print-module-deps", "--ignore-missing-deps", "--multi-release", release];
  const args = [...flags, "-cp", classPath.join(":"), ...classPath];
  const output = await runJava(home, "jdeps", args, signal ? { signal } : {});
  const names = output.trim().split("\n").at(-1)?.split(",") ?? [];
  return names.every((name) => /^[\w.]+$/.test(name)) ? names : WIDE;
}

/** The program's files, and of the folder what goes with them. */
async function programContent(
  request: RuntimeRequest,
  program: JavaProgram,
): Promise<{ entries: readonly TreeEntry[]; fingerprint: string }> {
  const { root, manifest, signal } = request;
  const content = program.hasFolder
    ? await folderContent({ root, manifest, signal })
    : await askedContent(request);
  const walk = new TreeWalk(root, signal);
  await walkPlaced(walk, program.placed);
  const fingerprint = createHash("sha256")
    .update(content.fingerprint)
    .update(walk.lines.join("\n"));
  return { entries: [...content.entries, ...walk.entries], fingerprint: fingerprint.digest("hex") };
}

/** The JVM and its launcher: their libraries are found as those of every program are. */
function startFiles(java: readonly FileEntry[]): NativeAddon[] {
  const starts = ["bin/java", "lib/server/libjvm.so"].map((name) => `${JAVA_GUEST_HOME}/${name}`);
  return addons(java.filter(({ path }) => starts.includes(path)));
}

/** What Java's other libraries need beyond Java's own: the JVM has loaded libjvm.so before them. */
async function libraries(
  java: readonly FileEntry[],
  signal: AbortSignal | undefined,
): Promise<TreeEntry[]> {
  const own = java.filter(({ path }) => /\.so$/.test(path));
  const providedSonames = new Set([
    ...own.map(({ path }) => posix.basename(path)),
    ...["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"],
    ...["libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"],
  ]);
  const others = addons(own).filter(({ guestPath }) => !guestPath.includes("/server/"));
  const closure = await libraryClosure(others, { providedSonames, ...(signal && { signal }) });
  return await closureEntries(closure);
}

function addons(files: readonly FileEntry[]): NativeAddon[] {
  return files.flatMap(({ path, source }) =>
    source.kind === "path" ? [{ hostPath: source.path, guestPath: path }] : [],
  );
}

/** A JVM calls a machine with less than two CPUs or 1,792 MiB small (os::is_server_class_machine). */
const SERVER_MEMORY_MIB = 1792;

/**
 * A quarter of the memory is Java's own default for its heap: much of a large machine stays unused; half of
 * it leaves a small guest's kernel, agent and the JVM's other memory enough. The author's flags win.
 */
function jvmFlags(manifest: Manifest, command: readonly string[] | undefined): string[] {
  const isServer = (manifest.cpus ?? 1) >= 2 && (manifest.memoryMib ?? 0) >= SERVER_MEMORY_MIB;
  const choosesCollector = command?.some((flag) => /^-XX:\+Use\w+GC$/.test(flag)) ?? false;
  return [
    ...(isServer || choosesCollector ? [] : ["-XX:+UseSerialGC"]),
    "-XX:MaxRAMPercentage=50",
    "-XX:-UsePerfData",
    "-Xshare:auto",
  ];
}

export const javaRuntime: Runtime = {
  name: "java",
  title: "Java",
  summary: "A jar or sources, with a Java of the modules that they use",
  markers: ["pom.xml", "build.gradle", "build.gradle.kts", "*.jar", "*.java"],
  packages: ["openjdk-17-jdk-headless"],
  collect,
  starter: () => ({ "Main.java": JAVA_SERVER }),
};
