/** Reading a small text file of a project, which may be anything: a pipe, a device, a folder, a film. */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { ImageError } from "../errors.ts";
import { ioError } from "../runtimes/io-error.ts";

/** Lockfiles of large monorepos have a few tens of MiB; what is larger is no such file. */
const TEXT_FILE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * @returns undefined when there is no such file
 * @throws {ImageError} WL_IMAGE_IO when it cannot be read; WL_IMAGE_MANIFEST_INVALID when it is no
 *   regular file, or a too large one
 */
export function readTextFile(file: string, maxBytes = TEXT_FILE_BYTES_MAX): string | undefined {
  let descriptor: number | undefined;
  try {
    // Without O_NONBLOCK opening a named pipe would wait for its writer, and no signal could end that.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    checkSmallFile(file, fstatSync(descriptor), maxBytes);
    return readFileSync(descriptor, "utf8");
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    // ENXIO: what open(2) says of a socket.
    throw code === "ENXIO" ? notRegular(file, cause) : ioError("read", file, cause);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function checkSmallFile(file: string, facts: Stats, maxBytes: number): void {
  if (!facts.isFile()) throw notRegular(file);
  if (facts.size <= maxBytes) return;
  const message = `${JSON.stringify(file)} has ${facts.size} bytes; at most ${maxBytes} are read of such a file`;
  const next = "Put a smaller file in its place";
  throw new ImageError("WL_IMAGE_MANIFEST_INVALID", message, { file, next });
}

function notRegular(file: string, cause?: unknown): ImageError {
  const message = `Cannot read ${JSON.stringify(file)}: it is no regular file`;
  const next = "Put a file in its place, or remove it";
  return new ImageError("WL_IMAGE_MANIFEST_INVALID", message, { file, next }, cause);
}
