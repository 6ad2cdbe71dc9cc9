/** What of a project's folder goes below /app when its runtime has no rules of its own. */
import { createHash } from "node:crypto";
import type { Manifest } from "../manifest/manifest.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import { contentRules } from "./content-rules.ts";
import { APP_PATH } from "./guest-paths.ts";
import { walkPlaced } from "./project-content.ts";
import { TreeWalk } from "./tree-walk.ts";

export interface FolderContent {
  /** /app and everything below it, and what `include` names, in no particular order. */
  readonly entries: readonly TreeEntry[];
  /** Hex SHA-256 that changes when anything of it, or what the manifest says, may have changed. */
  readonly fingerprint: string;
}

export interface FolderRequest {
  /** Real path of the project's folder. */
  readonly root: string;
  readonly manifest: Manifest;
  /** Names that the runtime leaves out, whatever the manifest says: `__pycache__`, `target`. */
  readonly leavesOut?: (path: string, isDirectory: boolean) => boolean;
  /** Nothing of the folder: the runtime has made what the image gets. */
  readonly isEmpty?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID for what cannot be in an image */
export async function folderContent(request: FolderRequest): Promise<FolderContent> {
  const { root, manifest, leavesOut = () => false, isEmpty = false, signal } = request;
  const walk = new TreeWalk(root, signal);
  walk.entries.push({ kind: "directory", path: APP_PATH, mode: 0o755 });
  const rules = contentRules(root, manifest, false);
  if (manifest.placed) await walkPlaced(walk, manifest.placed);
  else if (!isEmpty) {
    await walk.walk({
      hostFolder: root,
      guestFolder: APP_PATH,
      decide: (path, isDirectory) =>
        rules.leavesOut(path, isDirectory) || leavesOut(path, isDirectory) ? "skip" : "take",
    });
  }
  await walkPlaced(walk, manifest.include);
  const { source: _source, ...settings } = manifest;
  const digest = createHash("sha256")
    .update(JSON.stringify(settings))
    .update(walk.lines.join("\n"));
  return { entries: walk.entries, fingerprint: digest.digest("hex") };
}
