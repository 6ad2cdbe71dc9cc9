/**
 * SHA-256 of large files that rarely change, remembered under the file's identity (device, inode,
 * size and both times in nanoseconds), so that an unchanged build need not read a 100 MB runtime.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathBeside } from "../store/replace-file.ts";
import { withIoError } from "./io-error.ts";

/**
 * A file changed this recently may change again within one tick of the file system's clock, under
 * the same times; its digest is not remembered. Coarsest tick in use: 2 s (FAT).
 */
const RACY_MS = 2_000;

/**
 * @param options.memoDirectory where digests are remembered; created when missing
 * @returns 64 lower-case hexadecimal digits
 * @throws {ImageError} WL_IMAGE_IO when the file cannot be read
 */
export async function fileDigest(
  path: string,
  options: { memoDirectory: string; signal?: AbortSignal },
): Promise<string> {
  const identity = await identityOf(path);
  const name = createHash("sha256").update(path).digest("hex").slice(0, 32);
  const memo = join(options.memoDirectory, name);
  const [digest, known] = (await readFile(memo, "utf8").catch(() => "")).split(" ", 2);
  if (digest && known === identity.key) return digest;

  const hash = createHash("sha256");
  const bytes = createReadStream(path, { highWaterMark: 1_048_576 });
  await withIoError("read", path, pipeline(bytes, hash, options));
  const computed = hash.digest("hex");
  const after = await identityOf(path);
  if (after.key === identity.key && Date.now() - after.changedMs > RACY_MS) {
    await remember(memo, `${computed} ${identity.key}`, options.memoDirectory);
  }
  return computed;
}

async function identityOf(path: string): Promise<{ key: string; changedMs: number }> {
  const facts = await withIoError("read", path, stat(path, { bigint: true }));
  return {
    key: [facts.dev, facts.ino, facts.size, facts.mtimeNs, facts.ctimeNs].join(":"),
    changedMs: Number(facts.ctimeMs),
  };
}

/** A memory that cannot be written costs time, nothing else. */
async function remember(memo: string, text: string, directory: string): Promise<void> {
  const beside = pathBeside(memo);
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(beside, text);
    await rename(beside, memo);
  } catch {
    await rm(beside, { force: true }).catch(() => undefined);
  }
}
