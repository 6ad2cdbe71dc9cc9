/** Asking QEMU for its version takes 20-50 ms, a good part of a clone's start: the answer is kept. */
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../../image-builder/store/replace-file.ts";
import { findQemu, type QemuBinary, qemuPath, readQemuVersion } from "./binary.ts";

interface Kept {
  readonly key: string;
  readonly binary: QemuBinary;
}

/**
 * As `findQemu`, with the version of a file that has not changed since it was asked.
 *
 * @throws {HostError} WL_QEMU_UNAVAILABLE; or the signal's reason
 */
export async function cachedQemu(
  cacheFolder: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<QemuBinary> {
  const path = await qemuPath();
  if (path === undefined) return await findQemu({ signal }); // Says what is wrong.
  const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
  const key = [path, dev, ino, size, mtimeMs, ctimeMs].join("|");
  const file = join(cacheFolder, "qemu-version.json");
  const kept = await readKept(file);
  if (kept?.key === key) return kept.binary;
  const binary = await readQemuVersion(path, { signal });
  const text = JSON.stringify({ key, binary } satisfies Kept);
  // A cache that cannot be written costs time, nothing else.
  await mkdir(cacheFolder, { recursive: true })
    .then(() => replaceFile(file, text))
    .catch(() => undefined);
  return binary;
}

async function readKept(file: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}
