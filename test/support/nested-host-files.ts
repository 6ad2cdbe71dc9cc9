/**
 * What the host VM of nested-host.ts has beyond the base of a Windlass image: Windlass as npm would
 * install it, a home with an image, QEMU and the other programs that Windlass runs, and a `/init`.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build as bundle } from "esbuild";
import { QEMU_PROGRAM } from "../../host-tools/qemu/binary.ts";
import { initExecutable } from "../../image-builder/first-process/init.ts";
import { findDependencies } from "../../image-builder/project/dependencies.ts";
import { NODE_PATH } from "../../image-builder/project/guest-paths.ts";
import { TreeWalk } from "../../image-builder/project/tree-walk.ts";
import type { TreeEntry } from "../../image-builder/rootfs/tree.ts";
import { closureEntries } from "../../image-builder/runtimes/closure-entries.ts";
import { libraryClosure } from "../../image-builder/runtimes/library-closure.ts";
import type { Folders } from "../../image-builder/store/folders.ts";
import { NESTED } from "./nested-host-steps.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");
/** What Windlass needs of a host besides Node. */
const PROGRAMS = [QEMU_PROGRAM, "flock", "setpriv"];
/** What QEMU's pc machine reads for a PVH kernel, and for one of another kind. */
const FIRMWARE = ["bios-256k.bin", "kvmvapic.bin", "pvh.bin", "linuxboot_dma.bin"];
/** QEMU's emulator is a file of its own where QEMU was built with modules, as Debian's is. */
const TCG_MODULES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"].map(
  (folder) => `${folder}/qemu/accel-tcg-x86_64.so`,
);

/**
 * The tree of the host VM's second device.
 *
 * @param folders their images, kernels and unpacked kernels become those of the host VM
 */
export async function nestedHostEntries(
  folders: Folders,
  signal: AbortSignal,
): Promise<TreeEntry[]> {
  const walk = new TreeWalk(CHECKOUT, signal);
  await takeWindlass(walk, signal);
  for (const [hostFolder, name] of [
    [folders.data, "data"],
    [join(folders.cache, "vmlinux"), "cache/vmlinux"],
  ] as const) {
    await walk.walk({ hostFolder, guestFolder: join(NESTED.home, name), decide: () => "take" });
  }
  const { programs, libraries, firmware } = await findHostFiles();
  for (const path of [...programs, ...libraries, ...firmware]) walk.takeFile(path, path);
  const roots = [...programs, ...libraries].map((path) => ({ hostPath: path, guestPath: path }));
  const programFolders = new Set([NODE_PATH, ...programs].map((path) => dirname(path)));
  const environment = {
    PATH: [...programFolders].join(delimiter),
    HOME: "/root",
    WINDLASS_HOME: NESTED.home,
    XDG_RUNTIME_DIR: "/run",
  };
  const argv = [NODE_PATH, NESTED.program];
  return [
    ...walk.entries,
    ...closureEntries(await libraryClosure(roots, { signal })),
    file(NESTED.program, await programBundle()),
    file("/init", initExecutable({ argv, environment })),
  ];
}

/** dist/ and the packages, as npm would install them. */
async function takeWindlass(walk: TreeWalk, signal: AbortSignal): Promise<void> {
  const guestRoot = NESTED.windlass;
  const { packages } = await findDependencies({
    root: CHECKOUT,
    starts: [CHECKOUT],
    guestRoot,
    inOwnTree: () => true,
    signal,
  });
  walk.takeFile(join(CHECKOUT, "package.json"), join(guestRoot, "package.json"));
  const folders = [
    { hostFolder: join(CHECKOUT, "dist"), guestFolder: join(guestRoot, "dist") },
    ...packages.map(({ hostFolder, path }) => ({ hostFolder, guestFolder: path })),
  ];
  for (const folder of folders) {
    await walk.walk({
      ...folder,
      // A package's own packages are among `packages`.
      decide: (path) => (path === "node_modules" ? "skip" : "take"),
    });
  }
}

/** With the few modules of guest/ that it uses. */
async function programBundle(): Promise<Uint8Array> {
  const { outputFiles } = await bundle({
    entryPoints: [fileURLToPath(import.meta.resolve("./nested-host-program.ts"))],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

function file(path: string, bytes: Uint8Array): TreeEntry {
  return { kind: "file", path, mode: 0o755, source: { kind: "bytes", bytes } };
}

interface HostFiles {
  readonly programs: readonly string[];
  /** That a program opens by name. */
  readonly libraries: readonly string[];
  readonly firmware: readonly string[];
}

/**
 * Paths on this machine, which are those in the host VM: QEMU finds its data from its own path.
 *
 * @throws {Error} that names what is missing
 */
export async function findHostFiles(): Promise<HostFiles> {
  const programs = await Promise.all(PROGRAMS.map(programPath));
  const [qemu = ""] = programs;
  const { stdout } = await promisify(execFile)(qemu, ["-L", "help"]);
  const folders = stdout
    .split("\n")
    .filter(isAbsolute)
    .map((folder) => resolve(folder));
  const firmware = FIRMWARE.map((name) => {
    const folder = folders.find((one) => existsSync(join(one, name)));
    if (folder === undefined) throw new Error(`QEMU's firmware has no ${name}`);
    return join(folder, name);
  });
  return { programs, libraries: TCG_MODULES.filter((path) => existsSync(path)), firmware };
}

async function programPath(name: string): Promise<string> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute)) {
    const path = join(folder, name);
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return path;
  }
  throw new Error(`there is no ${name} in PATH`);
}
