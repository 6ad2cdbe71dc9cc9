/**
 * The root tree: what a file system image is written from. Pure data; paths are absolute in the
 * guest ("/app/server.js"), "/"-separated, without ".", ".." or empty parts. Owner and time are 0 unless
 * an entry says otherwise, so the same tree gives the same bytes on every machine.
 */

/** Who owns an entry and when it was changed: for roots that come with these (containers). */
export interface Ownership {
  /** Each 0 to 4294967294. Default 0:0. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Whole seconds since 1970, 0 or more. Default 0. */
  readonly modifiedSeconds?: number | undefined;
}

/** Where the bytes of a file come from. */
export type FileSource =
  | { readonly kind: "path"; readonly path: string; readonly sizeBytes: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** A part of a file that holds the content of many. */
  | {
      readonly kind: "range";
      readonly path: string;
      readonly offsetBytes: number;
      readonly sizeBytes: number;
    };

export interface DirectoryEntry extends Ownership {
  readonly kind: "directory";
  readonly path: string;
  /** Permission bits, for example 0o755. */
  readonly mode: number;
}

export interface FileEntry extends Ownership {
  readonly kind: "file";
  readonly path: string;
  readonly mode: number;
  readonly source: FileSource;
}

export interface SymlinkEntry extends Ownership {
  readonly kind: "symlink";
  readonly path: string;
  readonly target: string;
}

/** A further name (hard link) of a file or symlink of the tree. */
export interface LinkEntry {
  readonly kind: "link";
  readonly path: string;
  /** The path of that file or symlink; not of another link. */
  readonly target: string;
}

export type TreeEntry = DirectoryEntry | FileEntry | SymlinkEntry;

/** A complete, ordered tree: parents come before children, siblings in byte order of their UTF-8 names. */
export type Tree = readonly TreeEntry[];

/** The same with hard links. */
export type LinkedTree = readonly (TreeEntry | LinkEntry)[];

export function fileSizeBytes(entry: FileEntry): number {
  return entry.source.kind === "bytes" ? entry.source.bytes.length : entry.source.sizeBytes;
}

/**
 * Orders entries, adds missing parent directories (mode 0755) and lets a later entry replace an
 * earlier one with the same path.
 *
 * @throws {RangeError} when a path is not absolute and normal, or lies below a file or symlink.
 */
export function orderTree(entries: Iterable<TreeEntry>): Tree;
export function orderTree(entries: Iterable<TreeEntry | LinkEntry>): LinkedTree;
export function orderTree(entries: Iterable<TreeEntry | LinkEntry>): LinkedTree {
  const byPath = new Map<string, TreeEntry | LinkEntry>();
  for (const entry of entries) {
    checkPath(entry.path);
    byPath.set(entry.path, entry);
  }
  for (const path of [...byPath.keys()]) {
    for (let parent = parentOf(path); parent !== path; parent = parentOf(parent)) {
      const existing = byPath.get(parent);
      if (existing && existing.kind !== "directory") {
        throw new RangeError(`${path} lies below ${parent}, which is a ${existing.kind}`);
      }
      // Its own parents are seen to when its turn comes, or were when it was added.
      if (existing) break;
      byPath.set(parent, { kind: "directory", path: parent, mode: 0o755 });
      if (parent === "/") break;
    }
  }
  // Comparing part by part keeps a folder's children together: "/a/b" sorts before "/a.b".
  const keyed = [...byPath.values()].map((entry) => ({
    entry,
    key: Buffer.from(entry.path === "/" ? "" : entry.path.replaceAll("/", "\0")),
  }));
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ entry }) => entry);
}

function checkPath(path: string): void {
  const parts = path === "/" ? [] : path.slice(1).split("/");
  if (!path.startsWith("/") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new RangeError(`${JSON.stringify(path)} is not an absolute, normal path`);
  }
  if (path.includes("\0")) throw new RangeError(`${JSON.stringify(path)} holds a zero byte`);
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
