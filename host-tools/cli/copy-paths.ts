/** The operands of `cp` and what is to become of them: Docker's rules. Pure. */
import { posix } from "node:path";
import { HostError } from "../errors.ts";

export type CopyEnd =
  | { readonly kind: "local"; readonly path: string }
  | { readonly kind: "guest"; readonly instance: string; readonly path: string }
  /** A tar stream on standard input or output. */
  | { readonly kind: "stream" };

/** "NAME:PATH" is in a guest, unless it begins with "/" or "."; "-" is a stream. */
export function parseCopyEnd(text: string): CopyEnd {
  if (text === "-") return { kind: "stream" };
  const colon = text.indexOf(":");
  if (colon < 1 || /^[./]/.test(text)) return { kind: "local", path: text };
  const path = text.slice(colon + 1);
  // Relative paths are taken from the root, as Docker does.
  const absolute = path.startsWith("/") ? path : `/${path}`;
  return { kind: "guest", instance: text.slice(0, colon), path: absolute };
}

export type FileKind = "file" | "directory" | "symlink" | "missing";

/** Where a copy goes. */
export interface CopyTarget {
  /** The folder that the archive is unpacked into. It is there. */
  readonly folder: string;
  /** What the source is called there; "" when only what is in the source folder is copied. */
  readonly name: string;
}

export interface CopyQuestion {
  readonly sourcePath: string;
  readonly sourceKind: FileKind;
  readonly targetPath: string;
  /** Links followed. */
  readonly targetKind: FileKind;
  readonly targetParentKind: FileKind;
}

/**
 * Into a folder that is there, under the source's name; otherwise under the new name. "SRC/." copies
 * what is in a folder.
 *
 * @throws {HostError} WL_HOST_IO when the source is missing, or the target cannot take it
 */
export function copyTarget(question: CopyQuestion): CopyTarget {
  const { sourcePath, sourceKind, targetPath, targetKind, targetParentKind } = question;
  const isFolder = sourceKind === "directory";
  const contentsOnly = isFolder && /(^|\/)\.\/?$/.test(sourcePath);
  if (sourceKind === "missing") {
    throw refused(`There is no file or folder "${sourcePath}"`, "Check the path");
  }
  if (/\/$/.test(sourcePath) && !isFolder) {
    throw refused(`"${sourcePath}" is not a folder`, "Leave the slash at its end out");
  }
  if (targetKind === "directory") {
    const name = contentsOnly ? "" : baseName(sourcePath);
    return { folder: targetPath, name };
  }
  const parent = posix.dirname(withoutSlash(targetPath));
  const name = posix.basename(withoutSlash(targetPath));
  if (targetKind !== "missing") {
    if (isFolder) throw refused(`Cannot copy a folder over the file "${targetPath}"`, "Remove it");
    if (targetPath.endsWith("/")) throw refused(`"${targetPath}" is not a folder`, "Correct it");
    return { folder: parent, name };
  }
  if (targetParentKind !== "directory") {
    throw refused(`There is no folder "${parent}"`, "Make it first");
  }
  if (targetPath.endsWith("/") && !isFolder) {
    throw refused(`There is no folder "${targetPath}"`, "Make it, or leave out the slash");
  }
  return { folder: parent, name };
}

/** The name a source has in an archive: "." stands for a folder's own name. */
export function baseName(path: string): string {
  return posix.basename(posix.resolve("/", path));
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}

function refused(message: string, next: string): HostError {
  return new HostError("WL_HOST_IO", message, { next });
}
