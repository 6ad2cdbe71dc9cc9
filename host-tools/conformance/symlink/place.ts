/** Finds, or makes, a folder on the file system that is asked for; disposing of it removes what was made. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calls } from "./calls.ts";
import { mountImage } from "./erofs-mount.ts";

export interface Place extends Disposable {
  /** Absolute path of an empty folder; of the mounted file system for erofs. */
  readonly folder: string;
  readonly isReadOnly: boolean;
}

/** A file system that cannot be had here, and why. */
export interface NoPlace {
  readonly missing: string;
}

/** statfs(2), include/uapi/linux/magic.h */
const MAGIC: Readonly<Record<string, number>> = {
  tmpfs: 0x01021994,
  ext4: 0xef53,
  overlay: 0x794c7630,
};
const CANDIDATES = ["/scratch", "/var/tmp", "/tmp", "/dev/shm", "/run", tmpdir()];

/**
 * @param wanted a folder (with "/"), or the type of a file system
 * @param imagePath the erofs image with the suite's links
 * @throws {Error} when a folder cannot be used
 */
export function openPlace(wanted: string, imagePath: string): Place | NoPlace {
  if (wanted.includes("/")) return below(wanted);
  const at = (root: string): Place | NoPlace => attempt(() => mountImage(root, imagePath));
  if (wanted === "erofs") return inTemporaryFolder(at);
  const magic = MAGIC[wanted];
  if (magic === undefined) throw new Error(`no file system is called ${wanted}`);
  const found = CANDIDATES.find((folder) => typeOf(folder) === magic && isWritable(folder));
  if (found !== undefined) return below(found);
  return inTemporaryFolder((root) => attempt(() => mountNew(wanted, root)));
}

function typeOf(folder: string): number | undefined {
  try {
    return fs.statfsSync(folder).type;
  } catch {
    return undefined;
  }
}

function isWritable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function below(parent: string): Place {
  const folder = fs.mkdtempSync(join(fs.realpathSync(parent), "symlink-suite-"));
  // Other users have to come through.
  fs.chmodSync(folder, 0o755);
  return {
    ...{ folder, isReadOnly: false },
    [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true, force: true }),
  };
}

function inTemporaryFolder(open: (root: string) => Place | NoPlace): Place | NoPlace {
  const root = below(tmpdir());
  const place = open(root.folder);
  if ("missing" in place) {
    root[Symbol.dispose]();
    return place;
  }
  return {
    ...place,
    [Symbol.dispose]() {
      place[Symbol.dispose]();
      root[Symbol.dispose]();
    },
  };
}

function attempt(open: () => Place): Place | NoPlace {
  try {
    return open();
  } catch (error) {
    return { missing: (error as Error).message };
  }
}

/** A tmpfs, or an overlay whose layers are in one. */
function mountNew(type: string, root: string): Place {
  if (type === "ext4") throw new Error("no ext4 here: a machine has one on a scratch disk");
  calls.mount("tmpfs", root, "tmpfs", 0, "mode=0755");
  const undo = (): void => calls.unmount(root);
  if (type === "tmpfs") return { folder: root, isReadOnly: false, [Symbol.dispose]: undo };
  const folder = join(root, "merged");
  try {
    for (const name of ["lower", "upper", "work", "merged"]) fs.mkdirSync(join(root, name));
    const layers = ["lower", "upper", "work"].map((name) => `${name}dir=${join(root, name)}`);
    calls.mount("overlay", folder, "overlay", 0, layers.join(","));
  } catch (error) {
    undo();
    throw error;
  }
  return {
    ...{ folder, isReadOnly: false },
    [Symbol.dispose]() {
      calls.unmount(folder);
      undo();
    },
  };
}
