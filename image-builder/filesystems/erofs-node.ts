/** The tree as erofs sees it: nodes with members, link counts and sizes; no block is assigned yet. */
import { ImageError } from "../errors.ts";
import { fileSizeBytes, type LinkEntry, type LinkedTree, type TreeEntry } from "../rootfs/tree.ts";
import { directoryBytes } from "./erofs-directory.ts";
import {
  BLOCK_BYTES,
  DIRENT_DIRECTORY,
  DIRENT_FILE,
  DIRENT_SYMLINK,
  type InodeExtent,
  inodeBytes,
  MAX_NAME_BYTES,
  MODE_DIRECTORY,
  MODE_FILE,
  MODE_SYMLINK,
} from "./erofs-format.ts";

/** Longest symlink target that Linux follows (PATH_MAX less the closing zero). */
const MAX_TARGET_BYTES = 4095;

/** Where the content of a node lies. */
export type NodeData =
  /** Whole blocks from `firstBlock`; the last `inlineBytes` follow the inode. */
  | { readonly kind: "flat"; readonly firstBlock: number; readonly inlineBytes: number }
  | {
      readonly kind: "compressed";
      readonly firstBlock: number;
      readonly blocks: number;
      readonly extents: readonly Uint32Array[];
    };

export interface Member {
  readonly name: Uint8Array;
  readonly node: ErofsNode;
}

export interface ErofsNode {
  readonly entry: TreeEntry;
  readonly parent: ErofsNode | undefined;
  /** In tree order, from 1. */
  readonly serial: number;
  /** Of a directory: everything in it by name, with "." and "..". */
  members: Member[];
  linkCount: number;
  sizeBytes: number;
  data: NodeData;
  /** Byte offset of the inode in the metadata area. */
  metaOffset: number;
}

/**
 * @returns nodes in tree order, the root first; a hard link is a member of its folder but no node
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID for a name or link target that is too long, or two
 *   names that are the same in UTF-8
 * @throws {RangeError} when the tree has no root, an entry comes before its parent, or a hard link
 *   names no file or symlink of the tree
 */
export function planNodes(tree: LinkedTree): readonly ErofsNode[] {
  const nodes: ErofsNode[] = [];
  const directories = new Map<string, ErofsNode>();
  const links: LinkEntry[] = [];
  const targets = new Map<string, ErofsNode | undefined>();
  for (const entry of tree) if (entry.kind === "link") targets.set(entry.target, undefined);
  for (const entry of tree) {
    if (entry.kind === "link") {
      links.push(entry);
      continue;
    }
    const slash = entry.path.lastIndexOf("/");
    const isRoot = entry.path === "/";
    const parent = isRoot ? undefined : parentNode(directories, entry.path);
    if (isRoot && (nodes.length > 0 || entry.kind !== "directory")) {
      throw new RangeError(`${entry.path} comes before its parent directory`);
    }
    const node: ErofsNode = {
      entry,
      parent,
      serial: nodes.length + 1,
      members: [],
      linkCount: 1,
      sizeBytes: 0,
      data: { kind: "flat", firstBlock: 0, inlineBytes: 0 },
      metaOffset: 0,
    };
    if (entry.kind === "directory") {
      directories.set(entry.path, node);
      node.linkCount = 2;
      node.members.push({ name: Buffer.from("."), node });
      node.members.push({ name: Buffer.from(".."), node: parent ?? node });
      if (parent) parent.linkCount += 1;
    }
    if (parent) parent.members.push({ name: nameBytes(entry, slash), node });
    if (entry.kind !== "directory" && targets.has(entry.path)) targets.set(entry.path, node);
    nodes.push(node);
  }
  if (nodes.length === 0) throw new RangeError("A tree needs a root directory");
  for (const entry of links) {
    const node = targets.get(entry.target);
    if (!node) throw new RangeError(`${entry.path} is a link to ${entry.target}, which is no file`);
    node.linkCount += 1;
    const name = nameBytes(entry, entry.path.lastIndexOf("/"));
    parentNode(directories, entry.path).members.push({ name, node });
  }
  for (const node of nodes) {
    if (node.entry.kind === "directory") sortMembers(node);
    node.sizeBytes = contentBytes(node);
  }
  return nodes;
}

function parentNode(directories: ReadonlyMap<string, ErofsNode>, path: string): ErofsNode {
  const parent = directories.get(path.slice(0, path.lastIndexOf("/")) || "/");
  if (!parent) throw new RangeError(`${path} comes before its parent directory`);
  return parent;
}

/** What decides how large the inode is. */
export function inodeExtent({ entry, sizeBytes, linkCount }: ErofsNode): InodeExtent {
  const { uid, gid } = entry.owner ?? { uid: 0, gid: 0 };
  return { sizeBytes, linkCount, uid, gid, modifiedSeconds: entry.modifiedSeconds ?? 0 };
}

/** How many bytes of a flat node's content follow its inode: they must share one block. */
export function inlineTailBytes(node: ErofsNode): number {
  const tail = node.sizeBytes % BLOCK_BYTES;
  return inodeBytes(inodeExtent(node)) + tail <= BLOCK_BYTES ? tail : 0;
}

export function direntType(node: ErofsNode): number {
  switch (node.entry.kind) {
    case "directory":
      return DIRENT_DIRECTORY;
    case "file":
      return DIRENT_FILE;
    case "symlink":
      return DIRENT_SYMLINK;
  }
}

export function inodeMode({ entry }: ErofsNode): number {
  switch (entry.kind) {
    case "directory":
      return MODE_DIRECTORY | (entry.mode & 0o7777);
    case "file":
      return MODE_FILE | (entry.mode & 0o7777);
    case "symlink":
      return MODE_SYMLINK | 0o777;
  }
}

function contentBytes(node: ErofsNode): number {
  const { entry } = node;
  switch (entry.kind) {
    case "directory":
      return directoryBytes(node.members);
    case "file":
      return fileSizeBytes(entry);
    case "symlink": {
      const size = Buffer.byteLength(entry.target);
      if (size >= 1 && size <= MAX_TARGET_BYTES) return size;
      throw new ImageError(
        "WL_IMAGE_PROJECT_INVALID",
        `Symlink ${JSON.stringify(entry.path)} has a target of ${size} bytes, allowed are 1 to ${MAX_TARGET_BYTES}`,
        { file: entry.path, next: "Replace the link or leave it out of the image" },
      );
    }
  }
}

function nameBytes(entry: TreeEntry | LinkEntry, slash: number): Uint8Array {
  const name = Buffer.from(entry.path.slice(slash + 1));
  if (name.length <= MAX_NAME_BYTES) return name;
  throw new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `The name of ${JSON.stringify(entry.path)} has ${name.length} bytes, Linux allows ${MAX_NAME_BYTES}`,
    { file: entry.path, next: "Shorten the name or leave it out of the image" },
  );
}

function sortMembers({ members, entry }: ErofsNode): void {
  members.sort((a, b) => Buffer.compare(a.name, b.name));
  for (const [index, { name }] of members.entries()) {
    const before = members[index - 1];
    if (!before || Buffer.compare(before.name, name) !== 0) continue;
    throw new ImageError(
      "WL_IMAGE_PROJECT_INVALID",
      `${JSON.stringify(entry.path)} holds ${JSON.stringify(Buffer.from(name).toString())} twice`,
      { file: entry.path, next: "Rename one of them" },
    );
  }
}
