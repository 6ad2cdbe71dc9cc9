/**
 * windlass.lock.json: files that programs were seen to open (windlass build --trace). It lies beside the
 * manifest and belongs into version control, so that a build elsewhere needs no run.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { replaceFile } from "../store/replace-file.ts";
import { ioError } from "./io-error.ts";

export const LOCK_FILE = "windlass.lock.json";
const LOCK_VERSION = 1;
const MAX_LOCK_BYTES = 16_777_216;

/** Guest path of a program -> guest paths of the files that it opened. */
export type TraceLock = Readonly<Record<string, readonly string[]>>;

/**
 * @param root the project's folder
 * @throws {ImageError} WL_IMAGE_MANIFEST_INVALID when the file is not what Windlass writes
 */
export function readTraceLock(root: string): TraceLock {
  const file = join(root, LOCK_FILE);
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) return {};
  let value: unknown;
  try {
    value = size > MAX_LOCK_BYTES ? undefined : JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw ioError("read", file, cause);
  }
  const lock = value as { lockVersion?: unknown; programs?: unknown } | null | undefined;
  const programs = lock?.programs;
  const isOurs =
    lock?.lockVersion === LOCK_VERSION &&
    typeof programs === "object" &&
    programs !== null &&
    Object.values(programs).every((paths) => Array.isArray(paths) && paths.every(isGuestPath));
  if (isOurs) return programs as TraceLock;
  throw new ImageError("WL_IMAGE_MANIFEST_INVALID", `${file} is no lock file of Windlass`, {
    file,
    next: "Remove it, and trace again: windlass build --trace COMMAND",
  });
}

/** Adds what a run has shown to what is known already. */
export async function mergeTraceLock(
  root: string,
  program: string,
  paths: readonly string[],
): Promise<void> {
  const lock = readTraceLock(root);
  const merged = [...new Set([...(lock[program] ?? []), ...paths])].sort();
  const programs = Object.fromEntries(
    Object.entries({ ...lock, [program]: merged }).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const text = `${JSON.stringify({ lockVersion: LOCK_VERSION, programs }, null, 2)}\n`;
  await replaceFile(join(root, LOCK_FILE), text);
}

function isGuestPath(value: unknown): boolean {
  if (typeof value !== "string" || !value.startsWith("/") || value.includes("\0")) return false;
  return value
    .split("/")
    .every((part, index) => (part !== "" || index === 0) && part !== "." && part !== "..");
}
