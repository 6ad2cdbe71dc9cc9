/**
 * Applies one layer to a root (OCI image specification, "Filesystem Layers"): additions, changes,
 * ".wh.NAME" for what is gone and ".wh..wh..opq" for a folder whose lower content is gone.
 */
import { quoted } from "../foreign-text.ts";
import { containerError } from "./container-error.ts";
import type { ContainerRoot } from "./container-root.ts";
import type { ContentFile } from "./content-file.ts";
import { readTar, type TarMember } from "./tar-reader.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Names of aufs, which mean nothing to anybody else. */
const AUFS = ".wh..wh.";
const ID_MAX = 0xfffffffe;
const TARGET_BYTES_MAX = 4095;

export interface LayerTarget {
  readonly root: ContainerRoot;
  /** Takes the content of files. */
  readonly content: ContentFile;
  /** Which layer it is, from 0. */
  readonly layer: number;
  /** One sentence without a full stop. */
  readonly warn: (warning: string) => void;
}

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID */
export async function applyLayer(
  archive: AsyncIterable<Uint8Array>,
  { root, content, layer, warn }: LayerTarget,
): Promise<void> {
  root.beginLayer(layer);
  for await (const member of readTar(archive)) {
    const path = memberPath(member.name);
    const last = path.at(-1) ?? "";
    const parent = path.slice(0, -1);
    if (last === OPAQUE) root.clearLower(parent);
    else if (last.startsWith(AUFS) || path.some((part) => part.startsWith(AUFS))) continue;
    else if (last.startsWith(WHITEOUT)) root.removeLower(whitedOut(parent, last));
    else await put(member, path, { root, content, warn });
  }
}

async function put(
  member: TarMember,
  path: readonly string[],
  { root, content, warn }: Omit<LayerTarget, "layer">,
): Promise<void> {
  const shown = quoted(`/${path.join("/")}`);
  for (const attribute of member.attributes) {
    warn(`${shown} loses its extended attribute ${quoted(attribute)}`);
  }
  const facts = {
    owner: { uid: checkedId(member.uid, shown), gid: checkedId(member.gid, shown) },
    modifiedSeconds: Math.max(0, member.modifiedSeconds),
  };
  switch (member.kind) {
    case "directory":
      return root.putFolder(path, { mode: member.mode, ...facts });
    case "file": {
      const source = await content.add(member);
      return root.put(path, { kind: "file", mode: member.mode, source, ...facts });
    }
    case "symlink":
      return root.put(path, { kind: "symlink", target: checkedTarget(member, shown), ...facts });
    case "link":
      return root.putLink(path, memberPath(member.linkName));
    case "device":
    case "fifo":
      return warn(`${shown} is a ${member.kind === "fifo" ? "FIFO" : "device"} and is left out`);
  }
}

/**
 * A name of an archive, part by part; empty for the root.
 *
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID for an absolute path, and for one with ".."
 */
export function memberPath(name: string): string[] {
  if (name === "") throw containerError("A member of the layer has no name");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  // umoci calls the root itself "/".
  if (name.startsWith("/") && parts.length > 0) {
    throw containerError(`The path ${quoted(name)} in a layer is absolute`);
  }
  if (parts.includes("..")) {
    throw containerError(`The path ${quoted(name)} in a layer leads out of its folder`);
  }
  return parts;
}

function whitedOut(parent: readonly string[], last: string): string[] {
  const name = last.slice(WHITEOUT.length);
  if (name !== "" && name !== "." && name !== "..") return [...parent, name];
  throw containerError(`The whiteout ${quoted([...parent, last].join("/"))} names nothing`);
}

function checkedId(id: number, shown: string): number {
  if (Number.isInteger(id) && id >= 0 && id <= ID_MAX) return id;
  throw containerError(`${shown} belongs to ${id}, which is no user or group`);
}

function checkedTarget({ linkName }: TarMember, shown: string): string {
  const bytes = Buffer.byteLength(linkName);
  if (bytes >= 1 && bytes <= TARGET_BYTES_MAX) return linkName;
  throw containerError(
    `Symlink ${shown} has a target of ${bytes} bytes, Linux allows 1 to ${TARGET_BYTES_MAX}`,
  );
}
