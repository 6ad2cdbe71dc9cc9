/** The interpreter and its standard library as the guest has them. */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, join, posix } from "node:path";
import type { NativeAddon } from "../project/project.ts";
import { isInside, TreeWalk } from "../project/tree-walk.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import { executableEntry } from "./closure-entries.ts";
import type { PythonInterpreter } from "./python-interpreter.ts";

export interface PythonFiles {
  readonly entries: readonly TreeEntry[];
  /** Executables and extension modules, whose libraries the image needs. */
  readonly binaries: readonly NativeAddon[];
  /** What a fingerprint is made of. */
  readonly lines: readonly string[];
}

/**
 * What of the library no server needs: its own tests, editors and windows, what installs packages, what is
 * linked against (config-*), and packages of others. `include` brings any of it back.
 */
const LEFT_OUT =
  /^(test|idlelib|lib2to3|tkinter|turtledemo|ensurepip|turtle\.py|site-packages|dist-packages|sitecustomize\.py|config-.*|EXTERNALLY-MANAGED|.*\.a)$/;
const INNER_TESTS = /^(ctypes|distutils|sqlite3|unittest|pydoc_data)\/(test|tests)$/;
const TEST_EXTENSION = /^(_tkinter|_test.*|_ctypes_test|_xx.*|xx.*|_dbm_test)\./;

export function pythonGuestPaths(python: PythonInterpreter): {
  executable: string;
  library: string;
  packages: string;
} {
  const prefix = `/usr/${python.libraryFolder}`;
  // Debian's interpreter looks for packages in a folder of another name.
  const isDebian = python.packageFolders.includes("/usr/lib/python3/dist-packages");
  return {
    executable: `/usr/bin/python${python.release}`,
    library: `${prefix}/python${python.release}`,
    packages: isDebian
      ? "/usr/lib/python3/dist-packages"
      : `${prefix}/python${python.release}/site-packages`,
  };
}

/** @throws {ImageError} WL_IMAGE_IO when a file cannot be read */
export async function pythonLibrary(
  python: PythonInterpreter,
  signal: AbortSignal | undefined,
): Promise<PythonFiles> {
  const guest = pythonGuestPaths(python);
  const library = realpathSync(python.library);
  const walk = new TreeWalk(library, signal);
  walk.entries.push({ kind: "directory", path: guest.library, mode: 0o755 });
  await walkFollowing(walk, library, guest.library, (path) => !isLeftOut(path));
  const extensions = python.extensions === "" ? library : realpathSync(python.extensions);
  if (!isInside(library, extensions)) {
    const place = `${guest.library}/lib-dynload`;
    await walkFollowing(walk, extensions, place, (path) => !TEST_EXTENSION.test(path));
  }
  const interpreter = { hostPath: python.executable, guestPath: guest.executable };
  walk.takeFile(interpreter.hostPath, interpreter.guestPath);
  for (const name of ["python3", "python"]) {
    walk.takeLink(`/usr/bin/${name}`, posix.basename(guest.executable));
  }
  const executable = await executableEntry(interpreter.hostPath, interpreter.guestPath);
  return {
    entries: [...walk.entries, executable],
    binaries: [interpreter, ...extensionModules(walk.entries)],
    lines: walk.lines,
  };
}

/** Files of such names, of the host. */
export function extensionModules(entries: readonly TreeEntry[]): NativeAddon[] {
  return entries.flatMap((entry) =>
    entry.kind === "file" && entry.source.kind === "path" && /\.so(\.[0-9.]+)?$/.test(entry.path)
      ? [{ hostPath: entry.source.path, guestPath: entry.path }]
      : [],
  );
}

/**
 * Walks a folder, never into compiled modules. A link that leads out of it is followed where it leads to a file,
 * as in Debian's packages, and left out where it leads to a folder or nowhere.
 */
export async function walkFollowing(
  walk: TreeWalk,
  hostFolder: string,
  guestFolder: string,
  takes: (path: string, isDirectory: boolean) => boolean,
): Promise<void> {
  const followed: string[] = [];
  await walk.walk({
    hostFolder,
    guestFolder,
    decide: (path, isDirectory) => {
      if (basename(path) === "__pycache__" || path.endsWith(".pyc")) return "skip";
      if (!takes(path, isDirectory)) return "skip";
      if (isDirectory || !leadsOut(hostFolder, join(hostFolder, path))) return "take";
      followed.push(path);
      return "skip";
    },
  });
  for (const path of followed) {
    const target = realPath(join(hostFolder, path));
    if (target !== undefined && lstatSync(target).isFile()) {
      walk.takeFile(target, posix.join(guestFolder, path));
    }
  }
}

function isLeftOut(path: string): boolean {
  if (!path.includes("/")) return LEFT_OUT.test(path);
  return INNER_TESTS.test(path) || (path.startsWith("lib-dynload/") && isTestExtension(path));
}

function isTestExtension(path: string): boolean {
  return TEST_EXTENSION.test(basename(path));
}

function leadsOut(folder: string, path: string): boolean {
  if (!lstatSync(path).isSymbolicLink()) return false;
  const target = posix.resolve(posix.dirname(path), readlinkSync(path));
  const real = realPath(path);
  return !isInside(folder, target) || real === undefined || !isInside(folder, real);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
