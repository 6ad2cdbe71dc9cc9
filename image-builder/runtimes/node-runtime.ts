/**
 * Which Node an image gets, and what of it goes into the root tree.
 *
 * In this order: the Node that runs Windlass; the newest fitting one in the cache; the newest fitting
 * one that npm offers. Only the last needs the network.
 */
import { chmod, mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import { pathBeside } from "../store/replace-file.ts";
import { closureEntries, executableEntry } from "./closure-entries.ts";
import { planStripFile, type StripPlan, writeStripped } from "./elf-strip.ts";
import { fileDigest } from "./file-digest.ts";
import { withIoError } from "./io-error.ts";
import { libraryClosure } from "./library-closure.ts";
import { NodeCache } from "./node-cache.ts";
import { downloadNode, publishedNodeVersions } from "./node-package.ts";
import { type NpmRunner, runNpm } from "./npm-client.ts";
import {
  compareVersions,
  formatVersion,
  highestSatisfying,
  parseRange,
  parseVersion,
  satisfies,
  type Version,
  type VersionRange,
} from "./semver-range.ts";

/** Where the guest finds Node. */
export const NODE_GUEST_PATH = "/usr/local/bin/node";

/** The oldest Node that runs the agent (Fastify 5 and the agent's bundle target). */
export const NODE_MAJOR_MIN = 20;

export interface NodeRuntime {
  /** Without "v", for example "20.20.2". */
  readonly version: string;
  readonly executablePath: string;
  readonly source: "host" | "npm";
  /** SHA-256 of the executable as found, hexadecimal. */
  readonly digest: string;
  /**
   * JavaScript that this Node reads from disk when it starts, at the same paths in the guest;
   * distributions such as Debian keep parts of Node outside the executable.
   */
  readonly builtinPaths: readonly string[];
}

/** A Node that is on this machine. */
export interface HostNode {
  readonly version: string;
  readonly executablePath: string;
  readonly builtinPaths: readonly string[];
}

export interface NodeRuntimeOptions {
  /** As in package.json's "engines": "22", ">=20 <23". Default: any. */
  readonly range?: string;
  /** Kept between builds; created when missing. */
  readonly cacheDirectory: string;
  /** Never ask npm. Default false. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  /** Default: the Node that runs this code; null: none. */
  readonly host?: HostNode | null;
  /** Default: the npm client on PATH. */
  readonly npm?: NpmRunner;
}

/**
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when no Node satisfies the range or it cannot be
 *   fetched; WL_IMAGE_IO when the cache cannot be written
 */
export async function resolveNodeRuntime(options: NodeRuntimeOptions): Promise<NodeRuntime> {
  const text = options.range?.trim() ?? "*";
  const range = parseRange(text);
  if (!range) {
    throw new ImageError(
      "WL_IMAGE_RUNTIME_UNAVAILABLE",
      `Cannot choose a Node: ${JSON.stringify(text)} is not a version range`,
      { next: 'Write a range such as "22", ">=20" or "^24.1.0"' },
    );
  }
  const wait = options.signal ? { signal: options.signal } : {};
  const host = options.host === undefined ? thisNode() : options.host;
  if (host && isUsable(parseVersion(host.version), range)) {
    const memoDirectory = join(options.cacheDirectory, "digests");
    const digest = await fileDigest(host.executablePath, { memoDirectory, ...wait });
    return { ...host, source: "host", digest };
  }

  const cache = new NodeCache(options.cacheDirectory);
  for (const version of await cache.versions()) {
    const cached = isUsable(version, range) ? await cache.open(version, wait) : undefined;
    if (cached) return fromNpm(version, cached);
  }

  const isOffline = options.offline ?? false;
  const npm = { npm: options.npm ?? runNpm, ...wait };
  const offered = isOffline ? [] : await publishedNodeVersions(npm);
  const usable = offered.filter(({ major }) => major >= NODE_MAJOR_MIN);
  const version = highestSatisfying(usable, range);
  if (!version) throw unavailable(text, host, isOffline ? "offline" : offered);
  const fetch = (directory: string) => downloadNode(formatVersion(version), directory, npm);
  return fromNpm(version, await cache.add(version, fetch, wait));
}

/**
 * Node without its symbols, the libraries it loads, its dynamic linker and its outside builtins.
 * The stripped copy is made once and kept under the executable's digest.
 *
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID when a library is missing on this machine;
 *   WL_IMAGE_IO when the cache cannot be written
 */
export async function nodeRuntimeEntries(
  runtime: NodeRuntime,
  options: { cacheDirectory: string; signal?: AbortSignal },
): Promise<TreeEntry[]> {
  const { executablePath, builtinPaths } = runtime;
  const wait = options.signal ? { signal: options.signal } : {};
  const stripped = await strippedCopy(runtime, options.cacheDirectory, wait);
  const root = { hostPath: executablePath, guestPath: NODE_GUEST_PATH };
  const closure = await libraryClosure([root], wait);
  const builtins = builtinPaths.map(async (path) => {
    const entry = await executableEntry(path, path);
    return { ...entry, mode: 0o644 };
  });
  return [
    await executableEntry(stripped, NODE_GUEST_PATH),
    ...closureEntries(closure),
    ...(await Promise.all(builtins)),
  ];
}

/** The Node that runs this code. */
export function thisNode(): HostNode {
  return {
    version: process.versions.node,
    executablePath: process.execPath,
    builtinPaths: outsideBuiltins(process.config),
  };
}

/**
 * Files given to Node's `configure --shared-builtin-NAME-path`. Node aborts at start without them.
 *
 * @param config process.config
 */
export function outsideBuiltins(config: unknown): string[] {
  const defaults = (config as { target_defaults?: { defines?: unknown } } | null)?.target_defaults;
  const defines: unknown[] = Array.isArray(defaults?.defines) ? defaults.defines : [];
  return defines
    .map((define) => /^NODE_SHARED_BUILTIN_\w+_PATH=(\/.+)$/.exec(String(define))?.[1])
    .filter((path) => path !== undefined)
    .sort();
}

async function strippedCopy(
  { executablePath, digest }: NodeRuntime,
  cacheDirectory: string,
  wait: { signal?: AbortSignal },
): Promise<string> {
  const plan = await planStripFile(executablePath, wait);
  if (!plan) return executablePath;
  const directory = join(cacheDirectory, "stripped");
  const path = join(directory, digest);
  if (await hasSize(path, plan)) return path;

  const beside = pathBeside(path);
  try {
    await withIoError("write", directory, mkdir(directory, { recursive: true }));
    await withIoError("write", beside, writeStripped(executablePath, beside, plan));
    await withIoError("write", beside, chmod(beside, 0o755));
    await withIoError("write", path, rename(beside, path));
  } finally {
    await rm(beside, { force: true });
  }
  return path;
}

async function hasSize(path: string, plan: StripPlan): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.size === plan.sizeBytes,
    () => false,
  );
}

function isUsable(version: Version | undefined, range: VersionRange): boolean {
  return version !== undefined && version.major >= NODE_MAJOR_MIN && satisfies(version, range);
}

function fromNpm(
  version: Version,
  cached: { executablePath: string; digest: string },
): NodeRuntime {
  return { version: formatVersion(version), ...cached, source: "npm", builtinPaths: [] };
}

function unavailable(
  range: string,
  host: HostNode | null,
  offered: readonly Version[] | "offline",
): ImageError {
  const here = host ? `this machine has ${host.version}` : "this machine has none";
  if (offered === "offline") {
    return new ImageError(
      "WL_IMAGE_RUNTIME_UNAVAILABLE",
      `No Node satisfies ${JSON.stringify(range)}: ${here}, the cache has none that fits, and the build is offline`,
      { next: "Build once with network access, or ask for the Node of this machine" },
    );
  }
  const releases = offered
    .filter(({ major, prerelease }) => major >= NODE_MAJOR_MIN && prerelease.length === 0)
    .sort(compareVersions);
  const [first, last] = [releases[0], releases.at(-1)];
  const choice = first && last ? `${formatVersion(first)} to ${formatVersion(last)}` : "none";
  return new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `No Node satisfies ${JSON.stringify(range)}: ${here}, npm offers ${choice}; the agent needs ${NODE_MAJOR_MIN} or newer`,
    { next: 'Widen "engines.node" in package.json, or the runtime in the manifest' },
  );
}
