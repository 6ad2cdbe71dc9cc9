/** Brings what program-needs.ts names: patterns to files of this machine, folders to all that they hold. */
import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { isAbsolute, join } from "node:path/posix";
import { ImageError } from "../errors.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import type { ProgramFiles } from "./program-files.ts";
import type { ProgramNeed } from "./program-needs.ts";
import { timelessBytecode } from "./timeless-bytecode.ts";

/** A folder of a pattern with more names than this is something else than a program's data. */
const MAX_FILES = 50_000;

/** @throws {ImageError} WL_IMAGE_IO when something that is there cannot be read */
export async function addNeed(files: ProgramFiles, need: ProgramNeed): Promise<void> {
  const leavesOut = (path: string): boolean => need.leavesOut?.test(path) ?? false;
  for (const pattern of need.takes ?? []) {
    for (const path of matching(pattern)) await addPath(files, path, leavesOut);
  }
}

async function addPath(
  files: ProgramFiles,
  start: string,
  leavesOut: (path: string) => boolean,
): Promise<void> {
  const pending = [start];
  for (const [index, path] of pending.entries()) {
    if (index > MAX_FILES) {
      const message = `${start} holds more than ${MAX_FILES} files`;
      throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, { file: start });
    }
    const facts = factsOf(path, lstatSync);
    if (!facts || leavesOut(path)) continue;
    const target = facts.isSymbolicLink() ? factsOf(path, statSync) : facts;
    if (!target) continue; // A link that leads nowhere.
    if (target.isDirectory()) {
      files.entries.set(path, folderEntry(path, facts));
      if (!facts.isSymbolicLink())
        pending.push(
          ...readdirSync(path)
            .sort()
            .map((name) => join(path, name)),
        );
      // The folder that is linked to comes along when it was named itself.
      else if (path === start) pending.push(linkTarget(path));
    } else if (target.isFile()) {
      const bytes = path.endsWith(".pyc") ? timelessBytecode(path) : undefined;
      if (bytes === "stale") continue;
      if (bytes) {
        const source = { kind: "bytes", bytes } as const;
        files.entries.set(path, { kind: "file", path, mode: 0o644, source });
      } else await files.add(path, path, { isOptional: true, followsScripts: false });
    }
  }
}

function folderEntry(path: string, facts: Stats): TreeEntry {
  if (facts.isSymbolicLink()) return { kind: "symlink", path, target: readlinkSync(path) };
  return { kind: "directory", path, mode: 0o755 };
}

function linkTarget(path: string): string {
  const target = readlinkSync(path);
  return isAbsolute(target) ? target : join(path, "..", target);
}

/** The paths of this machine that a pattern stands for, in a fixed order. */
function matching(pattern: string): string[] {
  let found = ["/"];
  for (const part of pattern.split("/").filter((name) => name !== "")) {
    if (!part.includes("*")) {
      found = found.map((folder) => join(folder, part));
      continue;
    }
    const words = part.split("*").map((text) => text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
    const name = new RegExp(`^${words.join(".*")}$`);
    found = found.flatMap((folder) =>
      namesIn(folder)
        .filter((one) => name.test(one))
        .map((one) => join(folder, one)),
    );
  }
  return found.filter((path) => factsOf(path, lstatSync) !== undefined);
}

function namesIn(folder: string): string[] {
  return factsOf(folder, statSync)?.isDirectory() ? readdirSync(folder).sort() : [];
}

function factsOf(path: string, look: typeof statSync): Stats | undefined {
  try {
    return look(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // A loop of links, or a folder that may not be searched: as if it were not there.
  }
}
