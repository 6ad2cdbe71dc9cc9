/** The one place where a refused file operation becomes an error an operator can act on. */
import { ImageError } from "../errors.ts";

const REASONS: Readonly<Record<string, { readonly why: string; readonly next: string }>> = {
  EACCES: { why: "permission denied", next: "Check the permissions of the file and its folders" },
  EDQUOT: { why: "the disk quota is used up", next: "Free space, or use another disk" },
  EIO: { why: "the disk reports an input/output error", next: "Check the disk" },
  EISDIR: { why: "it is a directory", next: "Name a file" },
  ELOOP: { why: "its symbolic links form a loop", next: "Remove the loop" },
  EMFILE: { why: "too many files are open", next: "Raise the limit of open files (ulimit -n)" },
  ENOENT: { why: "no such file or directory", next: "Check that it exists" },
  ENOSPC: { why: "the disk is full", next: "Free space, or use another disk" },
  ENOTDIR: { why: "a part of the path is not a directory", next: "Check the path" },
  EPERM: { why: "operation not permitted", next: "Check the owner and the attributes of the file" },
  EROFS: { why: "the file system is read-only", next: "Use a folder that can be written to" },
};

/** @param verb what was tried, for "Cannot VERB PATH: reason" */
export function ioError(verb: "read" | "write", path: string, cause: unknown): ImageError {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  const reason = REASONS[code ?? ""];
  const why = reason?.why ?? (cause instanceof Error ? cause.message : String(cause));
  return new ImageError(
    "WL_IMAGE_IO",
    `Cannot ${verb} ${JSON.stringify(path)}: ${why}`,
    { file: path, ...(reason && { next: reason.next }) },
    cause,
  );
}

/**
 * Waits for `work`; an error of the file system becomes an ImageError, any other passes unchanged.
 *
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function withIoError<T>(
  verb: "read" | "write",
  path: string,
  work: Promise<T>,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Error && "errno" in error ? ioError(verb, path, error) : error;
  }
}
