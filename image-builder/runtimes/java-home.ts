/** The Java of this host, and what of it a guest gets: a runtime of only the needed modules, or the whole. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { chmod, mkdir, rename, rm, utimes } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { readTextFile } from "../manifest/text-file.ts";
import type { FileEntry } from "../rootfs/tree.ts";
import { pathBeside, removeDeadRemains } from "../store/replace-file.ts";
import { planStripFile, writeStripped } from "./elf-strip.ts";
import { withIoError } from "./io-error.ts";
import { compileFailed, findTool, runTool, ToolFailure } from "./toolchain.ts";

/** Where the guest has its Java. */
export const JAVA_GUEST_HOME = "/usr/lib/jvm/java";

export interface JavaHome {
  readonly path: string;
  /** "17.0.15" */
  readonly version: string;
  /** Can make a runtime of chosen modules, and says which a program needs. */
  readonly hasJlink: boolean;
  readonly hasCompiler: boolean;
}

const JVM_FOLDER = "/usr/lib/jvm";
/** Raised when what is made of the same Java changes. */
const FORMAT = 1;

/** JAVA_HOME's, the one in PATH, or the one with a compiler in Debian's folder. */
export function findJava(): JavaHome | undefined {
  const inPath = findTool({ program: "java" });
  const own = process.env["JAVA_HOME"];
  const installed = existsSync(JVM_FOLDER)
    ? readdirSync(JVM_FOLDER)
        .map((name) => join(JVM_FOLDER, name))
        .sort()
    : [];
  const homes = [
    ...(own ? [own] : []),
    ...(inPath === undefined ? [] : [dirname(dirname(realpathSync(inPath)))]),
    ...installed,
  ].flatMap((path) => javaAt(path) ?? []);
  return homes.find(({ hasCompiler }) => hasCompiler) ?? homes[0];
}

function javaAt(path: string): JavaHome | undefined {
  const release = readTextFile(join(path, "release")) ?? "";
  const version = /^JAVA_VERSION="([^"]+)"/m.exec(release)?.[1];
  if (version === undefined || !existsSync(join(path, "lib/server/libjvm.so"))) return undefined;
  const has = (name: string): boolean => existsSync(join(path, "bin", name));
  return {
    path,
    version,
    hasJlink: has("jlink") && has("jdeps") && existsSync(join(path, "jmods/java.base.jmod")),
    hasCompiler: has("javac"),
  };
}

export interface JavaRuntimeRequest {
  readonly home: JavaHome;
  readonly modules: readonly string[];
  readonly cacheDirectory: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A Java of these modules, made once for each set of them: with the JDK's own classes archived in the
 * form that a JVM maps, which saves a third of its start.
 *
 * @returns its folder
 * @throws {ImageError} WL_IMAGE_COMPILE_FAILED when jlink refuses a module
 */
export async function linkedJava(request: JavaRuntimeRequest): Promise<string> {
  const { home, modules, cacheDirectory, signal } = request;
  const folder = join(cacheDirectory, "java");
  const { size, mtimeMs } = statSync(join(home.path, "lib/server/libjvm.so"));
  const identity = [FORMAT, home.path, home.version, size, mtimeMs, ...modules];
  const key = createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 24);
  const path = join(folder, key);
  if (existsSync(path)) return path;
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  await removeDeadRemains(folder);
  const beside = pathBeside(path);
  const options = ["--no-man-pages", "--no-header-files", "--strip-java-debug-attributes"];
  const names = ["--add-modules", modules.join(",")];
  try {
    await runJava(home, "jlink", [...options, ...names, "--output", beside], { signal });
    await archiveClasses(beside, signal);
    await stripJvm(join(beside, "lib/server/libjvm.so"));
    await rename(beside, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error; // Another build was first.
    });
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  return path;
}

/**
 * The archive names the time of lib/modules, and a JVM does not use it with another: in an image all times
 * are 0. Without it the program starts all the same, later.
 */
async function archiveClasses(path: string, signal: AbortSignal | undefined): Promise<void> {
  await utimes(join(path, "lib/modules"), 0, 0);
  try {
    // G1's heap is the only one that is archived; other collectors load it.
    await runTool(join(path, "bin/java"), ["-XX:+UseG1GC", "-Xshare:dump"], { cwd: path, signal });
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
  }
}

async function stripJvm(path: string): Promise<void> {
  const plan = await planStripFile(path);
  if (!plan) return;
  const beside = pathBeside(path);
  await writeStripped(path, beside, plan);
  await chmod(beside, 0o755);
  await rename(beside, path);
}

/** Runs a program of the JDK. */
export async function runJava(
  home: JavaHome,
  program: string,
  args: readonly string[],
  { signal, cwd = home.path }: { signal?: AbortSignal | undefined; cwd?: string },
): Promise<string> {
  try {
    return await runTool(join(home.path, "bin", program), args, { cwd, signal });
  } catch (error) {
    // Java's tools complain on either output.
    throw error instanceof ToolFailure ? compileFailed(program, cwd, error) : error;
  }
}

/** What a JRE has beside the program's needs: debuggers' and developers' files, and windows on a screen. */
const LEFT_OUT =
  /^(?:bin\/(?!java$)|jmods|legal|man|docs|include|demo|sample|lib\/(?:src\.zip|ct\.sym|classlist|jexec|jfr\/|jrt-fs\.jar|lib(?:awt_xawt|splashscreen|jawt|jsound|atk-wrapper|saproc)\.so|server\/libjsig\.so))/;
/** Of a Java whose time stamps change on the way into the image. */
const ARCHIVE = /^lib\/server\/classes[^/]*\.jsa$/;

/** Entries of a Java's files, links followed: Debian has its settings in /etc. */
export function javaEntries(path: string, home: JavaHome): FileEntry[] {
  const isLinked = path !== home.path;
  const entries: FileEntry[] = [];
  const pending = ["bin", "lib", "conf"];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const name of existsSync(join(path, folder)) ? readdirSync(join(path, folder)) : []) {
      const inner = `${folder}/${name}`;
      if (LEFT_OUT.test(inner) || (!isLinked && ARCHIVE.test(inner))) continue;
      const facts = statSync(join(path, inner), { throwIfNoEntry: false });
      if (facts?.isDirectory()) pending.push(inner);
      else if (facts?.isFile()) {
        const mode = facts.mode & 0o100 || inner.includes(".so") ? 0o755 : 0o644;
        entries.push(fileEntry(join(path, inner), inner, mode, facts.size));
      }
    }
  }
  // The certificates that this host trusts, not those of the day on which the JDK was made.
  const trusted = join(home.path, "lib/security/cacerts");
  const facts = statSync(trusted, { throwIfNoEntry: false });
  if (facts) entries.push(fileEntry(trusted, "lib/security/cacerts", 0o644, facts.size));
  return entries;
}

function fileEntry(hostPath: string, inner: string, mode: number, sizeBytes: number): FileEntry {
  const source = { kind: "path", path: realpathSync(hostPath), sizeBytes } as const;
  return { kind: "file", path: posix.join(JAVA_GUEST_HOME, inner), mode, source };
}

export function noJava(root: string, what: "java" | "javac"): ImageError {
  const [title, name] =
    what === "java"
      ? ["no Java", "openjdk-17-jdk-headless, or openjdk-17-jre-headless"]
      : ["no javac (a JDK)", "openjdk-17-jdk-headless"];
  return new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `Cannot build ${JSON.stringify(root)}: this host has ${title}`,
    { next: `Install it: apt-get install --no-install-recommends ${name}` },
  );
}
