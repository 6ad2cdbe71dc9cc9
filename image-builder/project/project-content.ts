/** Walks a project folder, and the packages that it needs, by the rules of what goes into an image. */
import { existsSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import type { Manifest, PlacedFile } from "../manifest/manifest.ts";
import { type ContentRules, contentRules } from "./content-rules.ts";
import { findDependencies, type PlacedPackage } from "./dependencies.ts";
import { APP_PATH } from "./guest-paths.ts";
import { isInside, type TreeWalk } from "./tree-walk.ts";

export interface ContentRequest {
  /** Real path of the project folder. */
  readonly root: string;
  readonly manifest: Manifest;
  /** The entry is TypeScript: its sources stay out. */
  readonly isBundled: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Feeds `walk` with the project's own tree and with its packages.
 *
 * @returns the packages, in the order of their place
 */
export async function walkProject(
  walk: TreeWalk,
  request: ContentRequest,
): Promise<readonly PlacedPackage[]> {
  const { root, manifest, signal } = request;
  const rules = contentRules(root, manifest, request.isBundled);
  const { packages, links } = await findDependencies({
    root,
    starts: packageFolders(root, manifest),
    guestRoot: APP_PATH,
    inOwnTree: (path) => !isUnderLeftOut(rules, path),
    ...(signal && { signal }),
  });
  await walk.walk({
    hostFolder: root,
    guestFolder: APP_PATH,
    decide(path, isDirectory) {
      // Beside a package.json the dependencies decide; elsewhere it is a folder like any other.
      if (posix.basename(path) === "node_modules") {
        return isPackage(join(root, posix.dirname(path))) ? "skip" : "take";
      }
      return rules.leavesOut(path, isDirectory) ? "skip" : "take";
    },
  });
  for (const { guestPath, target } of links) walk.takeLink(guestPath, target);
  for (const item of packages) {
    if (item.isOwnTree) continue;
    const place = posix.relative(APP_PATH, item.path);
    const isLinked = !item.hostFolder.includes("/node_modules/");
    await walk.walk({
      hostFolder: item.hostFolder,
      guestFolder: item.path,
      decide(path, isDirectory) {
        if (path === "node_modules" || path === ".git") return "skip";
        const inProject = `${place}/${path}`;
        return rules.leavesOutOfPackage(inProject, isDirectory, isLinked) ? "skip" : "take";
      },
    });
  }
  await walkReaching(walk, root, rules);
  return packages;
}

/** Feeds `walk` with files that have places of their own (Capstanfile). */
export async function walkPlaced(walk: TreeWalk, placed: readonly PlacedFile[]): Promise<void> {
  for (const { hostPath, guestPath } of placed) {
    const facts = statSync(hostPath, { throwIfNoEntry: false });
    if (!facts) {
      const message = `${hostPath} does not exist any more`;
      throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, {
        file: hostPath,
        next: "Build again",
      });
    }
    if (!facts.isDirectory()) walk.takeFile(hostPath, guestPath);
    else await walk.walk({ hostFolder: hostPath, guestFolder: guestPath, decide: () => "take" });
  }
}

/** Takes what `files.include` names inside folders that the walk did not enter. */
async function walkReaching(walk: TreeWalk, root: string, rules: ContentRules): Promise<void> {
  if (rules.reaching.length === 0) return;
  const taken = new Set(walk.entries.map((entry) => entry.path));
  for (const { start, pattern } of rules.reaching) {
    const folder = posix.join(root, start);
    if (!isInside(root, folder)) continue;
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    const whole = new Set<string>();
    await walk.walk({
      hostFolder: folder,
      guestFolder: posix.join(APP_PATH, start),
      decide(path, isDirectory) {
        const inProject = posix.join(start, path);
        const isNamed = whole.has(posix.dirname(inProject)) || pattern.test(inProject);
        if (isDirectory) {
          if (isNamed) whole.add(inProject);
          return isNamed && !taken.has(posix.join(APP_PATH, inProject)) ? "take" : "enter";
        }
        return isNamed && !taken.has(posix.join(APP_PATH, inProject)) ? "take" : "skip";
      },
    });
  }
}

/** The project's package, and the package that holds the entry when that is another one. */
function packageFolders(root: string, manifest: Manifest): string[] {
  if (manifest.program.kind !== "script") return [root];
  let folder = posix.dirname(manifest.program.entry);
  while (folder !== "." && !isPackage(join(root, folder))) folder = posix.dirname(folder);
  return folder === "." ? [root] : [root, join(root, folder)];
}

function isPackage(folder: string): boolean {
  return existsSync(join(folder, "package.json"));
}

/** Whether the folder or one above it is left out. */
function isUnderLeftOut(rules: ContentRules, path: string): boolean {
  const parts = path.split("/");
  return parts.some((_, index) => rules.leavesOut(parts.slice(0, index + 1).join("/"), true));
}
