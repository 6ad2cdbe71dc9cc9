/**
 * Reads erofs images: what Windlass writes and what mkfs.erofs writes with LZ4 or without
 * compression. Nothing in an image is trusted.
 */
import { ImageError } from "../errors.ts";
import { readInodeContent } from "./erofs-content.ts";
import { decodeDirectoryBlock, type NamedNid } from "./erofs-directory.ts";
import {
  BLOCK_BYTES,
  DIRENT_DIRECTORY,
  DIRENT_FILE,
  DIRENT_SYMLINK,
  LAYOUT_COMPRESSED_COMPACT,
  LAYOUT_COMPRESSED_FULL,
  MODE_DIRECTORY,
  MODE_FILE,
  MODE_SYMLINK,
  MODE_TYPE_MASK,
} from "./erofs-format.ts";
import { type ErofsInode, type ErofsVolume, readInode, readVolume } from "./erofs-inode.ts";
import { damaged, type ImageBytes, openImageBytes } from "./image-bytes.ts";

export type ErofsKind = "file" | "directory" | "symlink" | "other";

export interface ErofsStat {
  readonly kind: ErofsKind;
  /** Permission bits. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly linkCount: number;
  /** The same for all names of a file. */
  readonly inode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedSeconds: number;
  readonly compressed: boolean;
}

export interface ErofsEntry {
  readonly name: string;
  readonly kind: ErofsKind;
}

/**
 * An open image. Paths are absolute in the image; symlinks in the middle of a path are followed.
 * Methods throw ImageError WL_IMAGE_STORE when the path does not exist or the image is damaged.
 */
export interface ErofsReader extends AsyncDisposable {
  readonly label: string;
  /** Does not follow a symlink at the end. */
  stat(path: string): Promise<ErofsStat>;
  /** Members in byte order of their names, without "." and "..". */
  list(path: string): Promise<readonly ErofsEntry[]>;
  readlink(path: string): Promise<string>;
  /** The content in pieces. Follows a symlink at the end. */
  readFile(
    path: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

const MAX_LINKS_FOLLOWED = 40;
const MAX_TARGET_BYTES = 4096;

/** @throws {ImageError} WL_IMAGE_IO when it cannot be read, WL_IMAGE_STORE when it is no such image */
export async function openErofs(path: string): Promise<ErofsReader> {
  const image = await openImageBytes(path);
  try {
    return await readErofs(image);
  } catch (error) {
    await image[Symbol.asyncDispose]();
    throw error;
  }
}

/** The same over any bytes; closing the reader disposes of them. */
export async function readErofs(image: ImageBytes): Promise<ErofsReader> {
  const volume = await readVolume(image);
  const close = async (): Promise<void> => image[Symbol.asyncDispose]();
  return {
    label: volume.label,
    async stat(path) {
      const inode = await resolve(volume, path, { followLast: false });
      return statOf(inode);
    },
    async list(path) {
      const inode = await resolve(volume, path, { followLast: true });
      expectKind(volume, path, inode, "directory");
      const entries: ErofsEntry[] = [];
      for await (const { name, kind } of members(volume, inode)) {
        if (name !== "." && name !== "..") entries.push({ name, kind });
      }
      return entries;
    },
    async readlink(path) {
      const inode = await resolve(volume, path, { followLast: false });
      expectKind(volume, path, inode, "symlink");
      return linkTarget(volume, inode);
    },
    async *readFile(path, { signal } = {}) {
      const inode = await resolve(volume, path, { followLast: true });
      expectKind(volume, path, inode, "file");
      for await (const piece of readInodeContent(volume, inode)) {
        signal?.throwIfAborted();
        yield piece;
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function resolve(
  volume: ErofsVolume,
  path: string,
  { followLast }: { readonly followLast: boolean },
): Promise<ErofsInode> {
  const root = await readInode(volume, volume.rootNid);
  // Inodes from the root down to where the walk is: ".." goes up without trusting the image.
  const trail = [root];
  const todo = path.split("/");
  let linksFollowed = 0;
  while (todo.length > 0) {
    const here = trail.at(-1) ?? root;
    const part = todo.shift();
    if (part === undefined || part === "" || part === ".") continue;
    if (part === "..") {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const next = await lookUp(volume, here, part, path);
    const last = todo.every((rest) => rest === "");
    if (kindOf(next.mode) !== "symlink" || (last && !followLast)) {
      trail.push(next);
      continue;
    }
    linksFollowed += 1;
    if (linksFollowed > MAX_LINKS_FOLLOWED) throw missing(volume, path, "too many symlinks");
    const target = await linkTarget(volume, next);
    if (target.startsWith("/")) trail.length = 1;
    todo.unshift(...target.split("/"));
  }
  return trail.at(-1) ?? root;
}

async function lookUp(
  volume: ErofsVolume,
  directory: ErofsInode,
  part: string,
  path: string,
): Promise<ErofsInode> {
  if (kindOf(directory.mode) !== "directory") throw missing(volume, path, "not a directory");
  for await (const { name, nid } of members(volume, directory)) {
    if (name === part) return readInode(volume, nid);
  }
  throw missing(volume, path, "no such file or directory");
}

async function* members(
  volume: ErofsVolume,
  directory: ErofsInode,
): AsyncGenerator<{ readonly name: string; readonly nid: number; readonly kind: ErofsKind }> {
  for await (const piece of readInodeContent(volume, directory)) {
    for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
      for (const member of decodeBlock(volume, piece.subarray(at, at + BLOCK_BYTES), directory)) {
        yield { ...member, kind: direntKind(member.type) };
      }
    }
  }
}

function decodeBlock({ image }: ErofsVolume, block: Buffer, { nid }: ErofsInode): NamedNid[] {
  try {
    return decodeDirectoryBlock(block);
  } catch (cause) {
    throw damaged(image.name, `directory ${nid} is malformed`, cause);
  }
}

async function linkTarget(volume: ErofsVolume, inode: ErofsInode): Promise<string> {
  if (inode.sizeBytes > MAX_TARGET_BYTES) {
    throw damaged(volume.image.name, `symlink ${inode.nid} is too long`);
  }
  const pieces: Buffer[] = [];
  for await (const piece of readInodeContent(volume, inode)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function statOf(inode: ErofsInode): ErofsStat {
  return {
    kind: kindOf(inode.mode),
    mode: inode.mode & 0o7777,
    sizeBytes: inode.sizeBytes,
    linkCount: inode.linkCount,
    inode: inode.nid,
    uid: inode.uid,
    gid: inode.gid,
    modifiedSeconds: inode.modifiedSeconds,
    compressed:
      inode.layout === LAYOUT_COMPRESSED_FULL || inode.layout === LAYOUT_COMPRESSED_COMPACT,
  };
}

function kindOf(mode: number): ErofsKind {
  switch (mode & MODE_TYPE_MASK) {
    case MODE_FILE:
      return "file";
    case MODE_DIRECTORY:
      return "directory";
    case MODE_SYMLINK:
      return "symlink";
    default:
      return "other";
  }
}

function direntKind(type: number): ErofsKind {
  switch (type) {
    case DIRENT_FILE:
      return "file";
    case DIRENT_DIRECTORY:
      return "directory";
    case DIRENT_SYMLINK:
      return "symlink";
    default:
      return "other";
  }
}

function expectKind(
  volume: ErofsVolume,
  path: string,
  { mode }: ErofsInode,
  wanted: ErofsKind,
): void {
  if (kindOf(mode) !== wanted) throw missing(volume, path, `it is not a ${wanted}`);
}

function missing({ image }: ErofsVolume, path: string, why: string): ImageError {
  return new ImageError(
    "WL_IMAGE_STORE",
    `Cannot open ${JSON.stringify(path)} in ${JSON.stringify(image.name)}: ${why}`,
    { file: image.name, next: "List the image's files with `windlass image ls`" },
  );
}
