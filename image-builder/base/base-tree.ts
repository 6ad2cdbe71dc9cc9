/**
 * The base: what every image of a host shares. Runtime with its libraries, the agent, process 1, and
 * the few files of /etc that programs expect.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { helperExecutables } from "../first-process/helpers.ts";
import { initExecutable } from "../first-process/init.ts";
import { kernelRandomAddon } from "../first-process/kernel-random-addon.ts";
import { GUEST_LIBRARY_PACKAGE } from "../project/guest-library.ts";
import { GROUP, NSSWITCH, PASSWD } from "../rootfs/system-files.ts";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import { agentCodeCache } from "./agent-cache.ts";

const AGENT_FOLDER = "/usr/lib/windlass";

/** Files of Windlass's own dist/guest that go into every base. */
export const BASE_GUEST_FILES = [
  "init.js",
  "agent.js",
  "koffi.node",
  "preload.cjs",
  "thread.cjs",
  "guest.js",
  "guest.cjs",
] as const;

export interface BaseOptions {
  /** Folder with BASE_GUEST_FILES: Windlass's own dist/guest. */
  readonly guestFolder: string;
  /** Node on this machine, of the version that the guest gets. */
  readonly nodePath: string;
  readonly nodeGuestPath: string;
  readonly signal?: AbortSignal | undefined;
}

/** Everything of the base except the runtime's own files. */
export async function baseEntries(options: BaseOptions): Promise<TreeEntry[]> {
  const { guestFolder, nodePath, nodeGuestPath, signal } = options;
  const agentPath = `${AGENT_FOLDER}/agent.js`;
  const agent = await readFile(join(guestFolder, "agent.js"));
  const cache = await agentCodeCache({ bundle: agent, guestPath: agentPath, nodePath, signal });
  // Without flags: under any, Node compiles its own library anew (agent-cache.ts).
  const init = initExecutable({
    argv: [nodeGuestPath, `${AGENT_FOLDER}/init.js`],
    environment: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/root" },
  });
  return [
    ...DIRECTORIES,
    ...Object.entries(ETC_FILES).map(([name, text]) => file(`/etc/${name}`, Buffer.from(text))),
    file("/init", init, 0o755),
    ...helperExecutables().map(({ name, bytes }) => file(`/sbin/${name}`, bytes, 0o755)),
    file(`${AGENT_FOLDER}/init.js`, await readFile(join(guestFolder, "init.js"))),
    file(agentPath, agent),
    ...(cache.length > 0 ? [file(`${agentPath}.cache`, cache)] : []),
    file(`${AGENT_FOLDER}/koffi.node`, await readFile(join(guestFolder, "koffi.node"))),
    file(`${AGENT_FOLDER}/preload.cjs`, await readFile(join(guestFolder, "preload.cjs"))),
    file(`${AGENT_FOLDER}/thread.cjs`, await readFile(join(guestFolder, "thread.cjs"))),
    file(`${AGENT_FOLDER}/kernel-random.node`, kernelRandomAddon()),
    ...(await libraryEntries(guestFolder)),
  ];
}

/**
 * `windlass/guest`, found from every folder because Node looks up to the root. A project thus needs
 * the package only for its types, and the image never the whole of it.
 */
async function libraryEntries(guestFolder: string): Promise<FileEntry[]> {
  const folder = `/node_modules/${GUEST_LIBRARY_PACKAGE}`;
  const packageJson = {
    name: GUEST_LIBRARY_PACKAGE,
    type: "module",
    exports: {
      "./guest": { import: "./guest.js", require: "./guest.cjs" },
      "./package.json": "./package.json",
    },
  };
  return [
    file(`${folder}/package.json`, Buffer.from(`${JSON.stringify(packageJson, null, 2)}\n`)),
    file(`${folder}/guest.js`, await readFile(join(guestFolder, "guest.js"))),
    file(`${folder}/guest.cjs`, await readFile(join(guestFolder, "guest.cjs"))),
  ];
}

const DIRECTORIES: readonly TreeEntry[] = [
  ...["/app", "/dev", "/proc", "/run", "/sys", "/var/log"].map(
    (path): TreeEntry => ({ kind: "directory", path, mode: 0o755 }),
  ),
  { kind: "directory", path: "/home/node", mode: 0o755, owner: { uid: 1000, gid: 1000 } },
  { kind: "directory", path: "/root", mode: 0o700 },
  { kind: "directory", path: "/tmp", mode: 0o1777 },
  { kind: "directory", path: "/var/tmp", mode: 0o1777 },
  { kind: "symlink", path: "/var/run", target: "/run" },
  { kind: "symlink", path: "/bin/node", target: "/usr/local/bin/node" },
];

const ETC_FILES: Readonly<Record<string, string>> = {
  passwd: PASSWD,
  group: GROUP,
  hosts: "127.0.0.1 localhost\n::1 localhost\n",
  "nsswitch.conf": NSSWITCH,
  "resolv.conf": "",
  "os-release": 'ID=windlass\nNAME="Windlass"\nPRETTY_NAME="Windlass guest"\n',
};

function file(path: string, bytes: Uint8Array, mode = 0o644): FileEntry {
  return { kind: "file", path, mode, source: { kind: "bytes", bytes } };
}
