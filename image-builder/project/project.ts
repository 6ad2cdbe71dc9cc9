/**
 * What of a project's folder goes into the image: everything below /app, and what a build needs to
 * know about it.
 */
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { join, posix } from "node:path";
import type { Manifest } from "../manifest/manifest.ts";
import { readPackageJson } from "../manifest/package-json.ts";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import type { Dependency } from "./dependencies.ts";
import { guestArgv } from "./guest-argv.ts";
import { APP_PATH } from "./guest-paths.ts";
import { walkPlaced, walkProject } from "./project-content.ts";
import { TreeWalk } from "./tree-walk.ts";
import { type Bundle, bundleTypeScript, isTypeScript } from "./typescript-bundle.ts";

/** A compiled addon; whoever lays out the root checks its architecture and brings its libraries. */
export interface NativeAddon {
  readonly hostPath: string;
  readonly guestPath: string;
  /** An image is right without its libraries, too. */
  readonly isOptional?: boolean;
  /** Libraries, by their sonames, that it opens while it runs, if they are there. */
  readonly opens?: readonly string[];
}

export interface Project {
  /** /app and everything below it, in no particular order (see orderTree). */
  readonly entries: readonly TreeEntry[];
  /** What the guest runs; argv[0] is an absolute path. */
  readonly argv: readonly string[];
  readonly nativeAddons: readonly NativeAddon[];
  readonly dependencies: readonly Dependency[];
  /** Versions of Node that the project accepts, as written. */
  readonly runtimeRange?: string;
  /** Hex SHA-256 that changes when anything that goes into the image may have changed. */
  readonly fingerprint: string;
  /** Things the author should know that are no errors; each one sentence without a full stop. */
  readonly warnings: readonly string[];
}

export interface CollectOptions {
  readonly signal?: AbortSignal;
}

/** Raised when the shape of what a fingerprint covers changes. */
const FINGERPRINT_VERSION = 1;

/**
 * Finds everything that goes below /app. Nothing is written, and no file of the project is read but
 * package.json files, the lockfile, .windlassignore and, for a TypeScript entry, its sources.
 *
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when something is missing or cannot be in an image
 */
export async function collectProject(
  folder: string,
  manifest: Manifest,
  { signal }: CollectOptions = {},
): Promise<Project> {
  const root = realpathSync(folder);
  const walk = new TreeWalk(root, signal);
  walk.entries.push({ kind: "directory", path: APP_PATH, mode: 0o755 });
  const entry = manifest.program.kind === "script" ? manifest.program.entry : "";
  const isBundled = isTypeScript(entry);
  // esbuild works in a process of its own: the walk goes on meanwhile.
  const bundling = isBundled ? startBundle(root, entry) : undefined;
  bundling?.catch(() => {});

  const packages = manifest.placed
    ? []
    : await walkProject(walk, { root, manifest, isBundled, ...(signal && { signal }) });
  if (manifest.placed) await walkPlaced(walk, manifest.placed);
  const bundle = await bundling;
  signal?.throwIfAborted();

  const entries = [...walk.entries, ...(bundle ? bundleEntries(bundle) : [])];
  const argv = guestArgv({ root, manifest, entries, ...(bundle && { bundlePath: bundle.path }) });
  const dependencies = packages.map(
    ({ hostFolder: _host, isOwnTree: _own, ...dependency }) => dependency,
  );
  const digest = createHash("sha256");
  const { source: _source, ...settings } = manifest;
  digest.update(JSON.stringify([FINGERPRINT_VERSION, settings, argv, dependencies]));
  if (bundle) digest.update(bundle.code).update(bundle.map);
  digest.update(walk.lines.join("\n"));
  return {
    entries,
    argv,
    nativeAddons: entries.flatMap((item) =>
      item.kind === "file" && item.source.kind === "path" && item.path.endsWith(".node")
        ? [{ hostPath: item.source.path, guestPath: item.path }]
        : [],
    ),
    dependencies,
    ...(manifest.runtimeRange !== undefined && { runtimeRange: manifest.runtimeRange }),
    fingerprint: digest.digest("hex"),
    warnings: manifest.warnings,
  };
}

async function startBundle(root: string, entry: string): Promise<Bundle> {
  let folder = posix.dirname(entry);
  let packageJson = readPackageJson(join(root, folder, "package.json"));
  while (!packageJson && folder !== ".") {
    folder = posix.dirname(folder);
    packageJson = readPackageJson(join(root, folder, "package.json"));
  }
  return bundleTypeScript({ folder: root, entry, packageType: packageJson?.type ?? "commonjs" });
}

function bundleEntries(bundle: Bundle): FileEntry[] {
  const file = (path: string, bytes: Uint8Array): FileEntry => ({
    kind: "file",
    path: posix.join(APP_PATH, path),
    mode: 0o644,
    source: { kind: "bytes", bytes },
  });
  return [file(bundle.path, bundle.code), file(`${bundle.path}.map`, bundle.map)];
}
