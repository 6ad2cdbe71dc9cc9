/**
 * The base below a container's root. A container brings its own C library, perhaps another one than Node's: so
 * Node, its libraries and its dynamic linker lie in a folder of their own, and process 1 starts them by name. The
 * container's root lies over it, and what it has hides what is here, but for that folder (containers/unpack.ts).
 */
import { posix } from "node:path";
import { initExecutable } from "../first-process/init.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import { type BaseOptions, baseEntries } from "./base-tree.ts";

const FOLDER = "/usr/lib/windlass";
const LINKER = `${FOLDER}/ld.so`;
const LIBRARIES = `${FOLDER}/lib`;
const NODE = `${FOLDER}/node`;
/** Where the first stage looks for process 1 before /init, which may be a container's own. */
const INIT = `${FOLDER}/init`;
const FOLDERS = ["/dev", "/proc", "/run", "/sys", "/root", "/tmp", "/var/tmp"];
const ETC_FILES = ["passwd", "group", "hosts", "nsswitch.conf", "resolv.conf"];

/** @param runtime Node, its libraries and its dynamic linker, with the paths of an ordinary base */
export async function apartEntries(
  runtime: readonly TreeEntry[],
  options: BaseOptions,
): Promise<TreeEntry[]> {
  const own = (await baseEntries(options)).flatMap(placed);
  const init = apartInit();
  const source = { kind: "bytes", bytes: init } as const;
  return [
    ...own,
    ...runtime.flatMap((entry) => runtimeEntry(entry, options.nodeGuestPath)),
    { kind: "file", path: INIT, mode: 0o755, source },
  ];
}

/** Process 1 of a container's root. */
export function apartInit(): Uint8Array {
  return initExecutable({
    argv: [LINKER, "--library-path", LIBRARIES, NODE, `${FOLDER}/init.js`],
    environment: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/root",
    },
    // Containers have folders of their programs in these, with owners.
    ownFolders: ["/run", "/tmp"],
  });
}

/** What of an ordinary base is here, and where. */
function placed(entry: TreeEntry): TreeEntry[] {
  const { path } = entry;
  const name = posix.basename(path);
  if (path.startsWith(`${FOLDER}/`) || FOLDERS.includes(path)) return [entry];
  if (path === `/etc/${name}` && ETC_FILES.includes(name)) return [entry];
  if (path.startsWith("/sbin/windlass-")) return [{ ...entry, path: `${FOLDER}/${name}` }];
  return [];
}

function runtimeEntry(entry: TreeEntry, nodeGuestPath: string): TreeEntry[] {
  const name = posix.basename(entry.path);
  if (entry.path === nodeGuestPath) return [{ ...entry, path: NODE }];
  if (name.startsWith("ld-linux")) return [{ ...entry, path: LINKER }];
  if (!/\.so(\.|$)/.test(name)) return [entry];
  const path = `${LIBRARIES}/${name}`;
  if (entry.kind !== "symlink") return [{ ...entry, path }];
  const target = posix.basename(entry.target);
  return target === name ? [] : [{ ...entry, path, target }];
}
