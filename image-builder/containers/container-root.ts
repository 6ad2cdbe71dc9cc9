/**
 * The root of a container while layers are applied to it, in memory: names and metadata only. Nothing
 * here touches the host's file system, so no link of a layer can lead out of the root.
 */
import { posix } from "node:path";
import { quoted } from "../foreign-text.ts";
import type { FileSource, LinkEntry, Ownership, TreeEntry } from "../rootfs/tree.ts";
import { containerError } from "./container-error.ts";

/** Content and metadata of a file or symlink; several names may share one. */
export type Inode = Ownership &
  (
    | { readonly kind: "file"; readonly mode: number; readonly source: FileSource }
    | { readonly kind: "symlink"; readonly target: string }
  );

export interface FolderFacts extends Ownership {
  readonly mode: number;
}

interface Name {
  readonly kind: "name";
  readonly inode: Inode;
  /** The layer that put it there, from 0. */
  readonly layer: number;
}

interface Folder {
  readonly kind: "folder";
  facts: FolderFacts;
  layer: number;
  /** The layer that last hid what layers before have in it: there is nothing of them since. */
  clearedLayer: number;
  /** Length of its path. */
  readonly pathBytes: number;
  readonly parent: Folder | undefined;
  readonly children: Map<string, Name | Folder>;
}

/** PATH_MAX less the closing zero, NAME_MAX, MAXSYMLINKS: what Linux can name at all. */
const PATH_BYTES_MAX = 4095;
const NAME_BYTES_MAX = 255;
const LINKS_FOLLOWED_MAX = 40;
/** Names that the layers may make. Large distributions have 300,000; so many take 2.6 GB while the tree is written. */
const NAMES_MAX = 1_000_000;
/**
 * Of their paths and link targets together; what comes again counts again. A million names take as much
 * when each has 268 bytes; hostile ones can have 4 KiB each, and a path is in memory several times.
 */
const PATHS_BYTES_MAX = 256 * 1024 ** 2;
/**
 * Parts of link targets that are walked for all members together. Ordinary images need a few for a member; a
 * chain of 40 links of 4 KiB has 80,000 and would let each member cost a millisecond.
 */
const LINK_STEPS_MAX = 20_000_000;
const SMALLER = "Build an image with fewer files";
const PLAIN_FOLDER: FolderFacts = { mode: 0o755 };

export class ContainerRoot {
  readonly #root: Folder = newFolder(PLAIN_FOLDER, 0, undefined, "");
  #layer = 0;
  #namesMade = 0;
  #pathsBytes = 0;
  #linkSteps = 0;

  /** What is put and removed from now on belongs to this layer. */
  beginLayer(layer: number): void {
    this.#layer = layer;
  }

  putFolder(path: readonly string[], facts: FolderFacts): void {
    const last = path.at(-1);
    if (last === undefined) {
      this.#root.facts = facts;
      this.#root.layer = this.#layer;
      return;
    }
    const parent = this.#makeFolder(path.slice(0, -1));
    const present = parent.children.get(last);
    if (present?.kind === "folder") {
      present.facts = facts;
      present.layer = this.#layer;
    } else this.#addFolder(parent, last, facts);
  }

  /** In place of whatever has the name. */
  put(path: readonly string[], inode: Inode): void {
    if (inode.kind === "symlink") this.#countBytes(Buffer.byteLength(inode.target));
    this.#putName(path, inode);
  }

  /** A further name of what has the other name; that may be of a layer before. */
  putLink(path: readonly string[], target: readonly string[]): void {
    const last = target.at(-1);
    const found =
      last === undefined ? this.#root : this.#find(target.slice(0, -1))?.children.get(last);
    if (found?.kind === "name") {
      this.#putName(path, found.inode);
      return;
    }
    const shown = `Hard link ${quoted(path.join("/"))} names ${quoted(target.join("/"))}`;
    throw containerError(`${shown}, which is ${found ? "a folder" : "not there"}`);
  }

  /** A whiteout: what layers before have there is gone; what this layer has stays. */
  removeLower(path: readonly string[]): void {
    const parent = this.#find(path.slice(0, -1));
    const last = path.at(-1);
    if (!parent || last === undefined) return;
    const present = parent.children.get(last);
    if (present && this.#isLowerOnly(present)) parent.children.delete(last);
  }

  /** An opaque folder: the same for everything in it. */
  clearLower(path: readonly string[]): void {
    const folder = this.#find(path);
    if (folder) this.#clear(folder);
  }

  /** Removes a name of any layer, where the root has it. @returns whether it was there */
  remove(path: readonly string[]): boolean {
    const last = path.at(-1);
    return last !== undefined && (this.#find(path.slice(0, -1))?.children.delete(last) ?? false);
  }

  /** Links in the middle are followed, that at the end as well; undefined when there is nothing. */
  isFolder(path: readonly string[]): boolean {
    return this.#find(path) !== undefined;
  }

  /** Whether the path itself, without following anything, is a folder or is not there. */
  isPlainFolder(path: readonly string[]): boolean {
    let here: Folder = this.#root;
    for (const part of path) {
      const child = here.children.get(part);
      if (!child) return true;
      if (child.kind !== "folder") return false;
      here = child;
    }
    return true;
  }

  /** Makes a folder with its parents, where there is none. */
  ensureFolder(path: readonly string[]): void {
    this.#makeFolder(path);
  }

  /** Everything, children in byte order; of several names the first is the file and the others are links. */
  entries(): (TreeEntry | LinkEntry)[] {
    const entries: (TreeEntry | LinkEntry)[] = [];
    const named = new Map<Inode, string>();
    const addFolder = (folder: Folder, path: string): void => {
      entries.push({ kind: "directory", path: path === "" ? "/" : path, ...folder.facts });
      for (const [name, child] of sortedChildren(folder)) {
        const childPath = `${path}/${name}`;
        if (child.kind === "folder") {
          addFolder(child, childPath);
          continue;
        }
        const target = named.get(child.inode);
        if (target !== undefined) entries.push({ kind: "link", path: childPath, target });
        else {
          named.set(child.inode, childPath);
          entries.push({ ...child.inode, path: childPath });
        }
      }
    };
    addFolder(this.#root, "");
    return entries;
  }

  /** @returns whether nothing of this layer is left of it */
  #isLowerOnly(item: Name | Folder): boolean {
    if (item.kind === "name") return item.layer < this.#layer;
    this.#clear(item);
    return item.layer < this.#layer && item.children.size === 0;
  }

  #clear(folder: Folder): void {
    if (folder.clearedLayer === this.#layer) return;
    folder.clearedLayer = this.#layer;
    for (const [name, child] of folder.children) {
      if (this.#isLowerOnly(child)) folder.children.delete(name);
    }
  }

  /** The folder at a path, with links followed in the root; undefined when there is none. */
  #find(path: readonly string[]): Folder | undefined {
    return this.#walk(path, () => undefined);
  }

  #makeFolder(path: readonly string[]): Folder {
    const found = this.#walk(path, (parent, name) => this.#addFolder(parent, name, PLAIN_FOLDER));
    if (found) return found;
    throw containerError(`${quoted(path.join("/"))} is no folder, but a layer has something in it`);
  }

  #walk(
    path: readonly string[],
    onMissing: (parent: Folder, name: string) => Folder | undefined,
  ): Folder | undefined {
    let here = this.#root;
    const todo = [...path].reverse();
    let followed = 0;
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        here = here.parent ?? here;
        continue;
      }
      const child = here.children.get(name);
      if (!child) {
        const made = onMissing(here, name);
        if (!made) return undefined;
        here = made;
      } else if (child.kind === "folder") {
        here = child;
      } else {
        if (child.inode.kind !== "symlink") return undefined;
        followed += 1;
        if (followed > LINKS_FOLLOWED_MAX) {
          throw containerError(`The links in ${quoted(path.join("/"))} go round in a circle`);
        }
        const { target } = child.inode;
        if (posix.isAbsolute(target)) here = this.#root;
        const steps = target.split("/");
        this.#linkSteps += steps.length;
        if (this.#linkSteps > LINK_STEPS_MAX) {
          throw containerError(
            `The layers lead through links of over ${LINK_STEPS_MAX} parts together, as at ${quoted(path.join("/"))}`,
            { next: "Build an image whose links have shorter targets" },
          );
        }
        todo.push(...steps.reverse());
      }
    }
    return here;
  }

  #addFolder(parent: Folder, name: string, facts: FolderFacts): Folder {
    this.#count(parent, name);
    const folder = newFolder(facts, this.#layer, parent, name);
    parent.children.set(ownCopy(name), folder);
    return folder;
  }

  #putName(path: readonly string[], inode: Inode): void {
    const last = path.at(-1);
    if (last === undefined) throw containerError(`The root itself is a ${inode.kind} in a layer`);
    const parent = this.#makeFolder(path.slice(0, -1));
    this.#count(parent, last);
    parent.children.set(ownCopy(last), { kind: "name", inode, layer: this.#layer });
  }

  #count(parent: Folder, name: string): void {
    const bytes = Buffer.byteLength(name);
    if (bytes > NAME_BYTES_MAX) {
      throw containerError(
        `The name ${quoted(name)} has ${bytes} bytes, Linux allows ${NAME_BYTES_MAX}`,
      );
    }
    if (parent.pathBytes + 1 + bytes > PATH_BYTES_MAX) {
      throw containerError(
        `A path that ends in ${quoted(name)} has more than ${PATH_BYTES_MAX} bytes, which Linux cannot open`,
      );
    }
    this.#namesMade += 1;
    if (this.#namesMade > NAMES_MAX) {
      throw containerError(`The layers have over ${NAMES_MAX} names`, { next: SMALLER });
    }
    this.#countBytes(parent.pathBytes + 1 + bytes);
  }

  #countBytes(bytes: number): void {
    this.#pathsBytes += bytes;
    if (this.#pathsBytes <= PATHS_BYTES_MAX) return;
    throw containerError(
      `The paths and link targets of the layers have over ${PATHS_BYTES_MAX} bytes together`,
      { next: SMALLER },
    );
  }
}

/** V8 keeps the whole text alive that a part was cut from: with names, the header of their member. */
function ownCopy(name: string): string {
  return Buffer.from(name).toString();
}

function newFolder(
  facts: FolderFacts,
  layer: number,
  parent: Folder | undefined,
  name: string,
): Folder {
  const pathBytes = parent ? parent.pathBytes + 1 + Buffer.byteLength(name) : 0;
  const clearedLayer = layer;
  return { kind: "folder", facts, layer, clearedLayer, parent, pathBytes, children: new Map() };
}

function sortedChildren(folder: Folder): [string, Name | Folder][] {
  const keyed = [...folder.children].map((child) => ({ child, key: Buffer.from(child[0]) }));
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ child }) => child);
}
