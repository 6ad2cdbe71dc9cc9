/**
 * The packages that a program may load at run time, found the way node finds them: from the
 * `dependencies` of package.json through node_modules, nested or hoisted, links followed. npm's,
 * pnpm's and a workspace's layouts are all the same to it. devDependencies are never looked at.
 *
 * A package inside the project keeps its place. One from outside (a linked folder, node_modules of
 * an enclosing workspace) is copied in: at the place its link has, else as high in /app as its name is
 * free, which is where node looks from everywhere below.
 */
import { existsSync, lstatSync } from "node:fs";
import { basename, dirname, join, posix, relative } from "node:path";
import { setImmediate } from "node:timers/promises";
import { ImageError } from "../errors.ts";
import { type PackageJson, readPackageJson } from "../manifest/package-json.ts";
import { GUEST_LIBRARY_PACKAGE } from "./guest-library.ts";
import { type Lockfile, readLockfile } from "./lockfile.ts";
import { PackageLookup } from "./package-lookup.ts";
import { isInside } from "./tree-walk.ts";

/** One package in the image, as a bill of materials lists it. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  /** Absolute path in the guest. */
  readonly path: string;
  /** Subresource integrity of the package's archive ("sha512-..."), from the lockfile. */
  readonly integrity?: string;
  /** SPDX expression as the package states it. */
  readonly license?: string;
  /** Where the archive came from, from the lockfile. */
  readonly resolved?: string;
}

/** A package whose files go into the image. */
export interface PlacedPackage extends Dependency {
  /** Real path on the host. */
  readonly hostFolder: string;
  /** The folder is part of the project's own tree (a workspace): the walk there takes its files. */
  readonly isOwnTree: boolean;
}

export interface DependencySet {
  readonly packages: readonly PlacedPackage[];
  /** Links to packages that keep their place. */
  readonly links: readonly { readonly guestPath: string; readonly target: string }[];
}

export interface DependencyRequest {
  /** Real path of the project folder. */
  readonly root: string;
  /** Folders (real paths, in the project) whose package.json names what the program needs. */
  readonly starts: readonly string[];
  /** Where the project goes in the guest. */
  readonly guestRoot: string;
  /** Whether the project's own tree holds this folder: false when it is left out. */
  readonly inOwnTree: (relativePath: string) => boolean;
  readonly signal?: AbortSignal;
}

interface Importer {
  readonly hostFolder: string;
  readonly guestPath: string;
  readonly packageJson: PackageJson;
}

const SLICE_PACKAGES = 64;
/** Names of missing packages that an error lists. */
const MAX_LISTED = 5;

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID when a dependency is not installed */
export async function findDependencies(request: DependencyRequest): Promise<DependencySet> {
  const search = new DependencySearch(request);
  return search.run();
}

class DependencySearch {
  readonly #request: DependencyRequest;
  /** Guest path -> the package there. */
  readonly #placed = new Map<string, PlacedPackage>();
  readonly #links = new Map<string, string>();
  readonly #lockfiles = new Map<string, Lockfile | undefined>();
  readonly #queue: Importer[] = [];
  readonly #missing: string[] = [];
  readonly #lookup: PackageLookup;

  constructor(request: DependencyRequest) {
    this.#request = request;
    this.#lookup = new PackageLookup(workspaceOf(request.root) ?? request.root);
  }

  async run(): Promise<DependencySet> {
    const { root, starts, guestRoot, signal } = this.#request;
    for (const folder of new Set(starts)) {
      const packageJson = readPackageJson(join(folder, "package.json"));
      if (!packageJson) continue;
      const guestPath = posix.join(guestRoot, relative(root, folder));
      this.#queue.push({ hostFolder: folder, guestPath, packageJson });
    }
    // Breadth first: what the program itself asks for gets the high places.
    for (let index = 0; index < this.#queue.length; index += 1) {
      const importer = this.#queue[index];
      if (importer) this.#importer(importer);
      if (index % SLICE_PACKAGES === SLICE_PACKAGES - 1) {
        await setImmediate();
        signal?.throwIfAborted();
      }
    }
    if (this.#missing.length > 0) throw missingError(root, this.#missing);
    return {
      packages: [...this.#placed.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
      links: [...this.#links]
        .map(([guestPath, target]) => ({ guestPath, target }))
        .sort((a, b) => (a.guestPath < b.guestPath ? -1 : 1)),
    };
  }

  #importer(importer: Importer): void {
    const { dependencies, optionalDependencies, peerDependencies } = importer.packageJson;
    const names = new Set([
      ...Object.keys(dependencies),
      ...Object.keys(optionalDependencies),
      ...Object.keys(peerDependencies),
    ]);
    names.delete(GUEST_LIBRARY_PACKAGE);
    for (const name of [...names].sort()) {
      const found = this.#lookup.find(importer.hostFolder, name);
      if (found !== undefined) {
        this.#take(importer, name, found, Object.hasOwn(optionalDependencies, name));
      } else if (Object.hasOwn(dependencies, name) && !Object.hasOwn(optionalDependencies, name)) {
        const by = relative(this.#request.root, importer.hostFolder) || "package.json";
        this.#missing.push(`${name} (needed by ${by})`);
      }
    }
  }

  /** @param found where node finds the package: a folder or a link to one */
  #take(importer: Importer, name: string, found: string, isOptional: boolean): void {
    const { root } = this.#request;
    const real = this.#lookup.realPath(found);
    if (real === importer.hostFolder || real === root) return;
    // What a package that was moved asks for is looked for from its new place.
    const isMoved = importer.guestPath !== this.#guestPathOf(importer.hostFolder);
    let guestPath: string | undefined;
    let isOwnTree = false;
    if (isMoved || !isInside(root, dirname(found))) {
      guestPath = this.#freePlace(importer, name, real);
      if (guestPath === undefined) return;
    } else if (this.#keepsPlace(real)) {
      guestPath = this.#guestPathOf(real);
      isOwnTree = !isNodeModules(root, real);
      if (lstatSync(found).isSymbolicLink()) this.#link(found, guestPath);
    } else {
      guestPath = this.#guestPathOf(found);
    }
    if (this.#placed.has(guestPath)) return;
    const packageJson = readPackageJson(join(real, "package.json"));
    if (!packageJson) {
      this.#missing.push(`${name} (${found} has no package.json)`);
      return;
    }
    if (isOptional && !runsInGuest(packageJson)) return;
    this.#placed.set(guestPath, {
      ...this.#describe(name, found, packageJson),
      path: guestPath,
      hostFolder: real,
      isOwnTree,
    });
    this.#queue.push({ hostFolder: real, guestPath, packageJson });
  }

  /** Where the image has what the project has at `path`. */
  #guestPathOf(path: string): string {
    const { root, guestRoot } = this.#request;
    return posix.join(guestRoot, relative(root, path));
  }

  /** Whether a package's folder is in the project, and is not left out of its tree. */
  #keepsPlace(real: string): boolean {
    const { root, inOwnTree } = this.#request;
    if (!isInside(root, real)) return false;
    return isNodeModules(root, real) || inOwnTree(relative(root, real));
  }

  /** Keeps a link between two places of the project. */
  #link(found: string, guestTarget: string): void {
    const guestPath = this.#guestPathOf(found);
    this.#links.set(guestPath, posix.relative(posix.dirname(guestPath), guestTarget));
  }

  /**
   * Where a package from elsewhere goes, so that node finds it from the importer.
   *
   * @returns undefined when it is there already
   */
  #freePlace(importer: Importer, name: string, real: string): string | undefined {
    const { root, guestRoot } = this.#request;
    for (let folder = importer.guestPath; isInside(guestRoot, folder); folder = dirname(folder)) {
      if (basename(folder) === "node_modules") continue;
      const place = posix.join(folder, "node_modules", name);
      const occupant = this.#placed.get(place);
      if (occupant?.hostFolder === real) return undefined;
      const host = join(root, relative(guestRoot, place));
      if (host === real) return place;
      const isTaken = occupant !== undefined || lstatSync(host, { throwIfNoEntry: false });
      if (isTaken) return posix.join(importer.guestPath, "node_modules", name);
    }
    return posix.join(guestRoot, "node_modules", name);
  }

  #describe(name: string, found: string, packageJson: PackageJson): Omit<Dependency, "path"> {
    const cut = found.indexOf("/node_modules/");
    const folder = found.slice(0, cut);
    if (!this.#lockfiles.has(folder)) this.#lockfiles.set(folder, readLockfile(folder));
    const lockfile = this.#lockfiles.get(folder);
    const locked = lockfile?.packages.get(found.slice(cut + 1));
    const version = packageJson.version ?? locked?.version ?? "0.0.0";
    if (locked?.version !== undefined && !locked.link && locked.version !== version) {
      throw new ImageError(
        "WL_IMAGE_PROJECT_INVALID",
        `${found} is version ${version}, but ${lockfile?.file} asks for ${locked.version}`,
        { file: found, next: `Run npm ci in ${folder}` },
      );
    }
    const license = packageJson.license ?? locked?.license;
    return {
      name: packageJson.name ?? name,
      version,
      ...(locked?.integrity !== undefined && { integrity: locked.integrity }),
      ...(license !== undefined && { license }),
      ...(locked?.resolved !== undefined && !locked.link && { resolved: locked.resolved }),
    };
  }
}

/** The workspace that encloses a folder: the nearest folder above that says it is one. */
function workspaceOf(root: string): string | undefined {
  for (let folder = dirname(root); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "pnpm-workspace.yaml"))) return folder;
    const file = join(folder, "package.json");
    if (!existsSync(file)) continue;
    const json = readPackageJson(file)?.document.value as Record<string, unknown> | undefined;
    if (json?.["workspaces"] !== undefined) return folder;
  }
  return undefined;
}

function isNodeModules(root: string, path: string): boolean {
  return `/${relative(root, path)}/`.includes("/node_modules/");
}

/** npm's rule for `os`, `cpu` and `libc`: a list of what is meant, or of what is not ("!win32"). */
function runsInGuest(packageJson: PackageJson): boolean {
  const json = packageJson.document.value as Record<string, unknown>;
  return (
    accepts(json["os"], "linux") && accepts(json["cpu"], "x64") && accepts(json["libc"], "glibc")
  );
}

function accepts(list: unknown, wanted: string): boolean {
  const words = (Array.isArray(list) ? list : [list]).filter((word) => typeof word === "string");
  if (words.includes(`!${wanted}`)) return false;
  const positive = words.filter((word) => !word.startsWith("!"));
  return positive.length === 0 || positive.includes(wanted) || positive.includes("any");
}

function missingError(root: string, missing: readonly string[]): ImageError {
  const listed = missing.slice(0, MAX_LISTED).join(", ");
  const more = missing.length > MAX_LISTED ? ` and ${missing.length - MAX_LISTED} more` : "";
  return new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `Dependencies are missing from node_modules: ${listed}${more}`,
    { file: join(root, "package.json"), next: installStep(root) },
  );
}

/** How the project's own package manager would install them. */
function installStep(root: string): string {
  const has = (name: string): boolean => existsSync(join(root, name));
  if (has(".pnp.cjs")) {
    return 'Set "nodeLinker: node-modules" in .yarnrc.yml and run yarn install';
  }
  if (has("pnpm-lock.yaml")) return `Run pnpm install in ${root}`;
  if (has("yarn.lock")) return `Run yarn install in ${root}`;
  return `Run ${has("package-lock.json") || has("npm-shrinkwrap.json") ? "npm ci" : "npm install"} in ${root}`;
}
