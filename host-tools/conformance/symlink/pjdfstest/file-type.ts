/** Files of every type, made and removed by assertions. Devices are those of pjdfstest, 1:2; nobody opens them. */
import { identitiesMissing } from "../identity.ts";
import type { Script } from "../script.ts";

export type FileType = "regular" | "dir" | "fifo" | "block" | "char" | "socket" | "symlink";

export const FILE_TYPES: readonly FileType[] = [
  ...(["regular", "dir", "fifo", "block", "char", "socket", "symlink"] as const),
];
export const NO_FOLDERS = FILE_TYPES.filter((type) => type !== "dir");
export const NO_LINKS = FILE_TYPES.filter((type) => type !== "symlink");

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The same for each type; devices are root's to make. */
export function forEachType(
  script: Script,
  types: readonly FileType[],
  block: (type: FileType) => void,
): void {
  for (const type of types) {
    const isDevice = type === "block" || type === "char";
    script.unless(isDevice ? identitiesMissing() : undefined, () => block(type));
  }
}

/** One assertion; a second one for a mode, and one for an owner. */
export function create(
  script: Script,
  type: FileType,
  name: string,
  { mode, owner }: { readonly mode?: number; readonly owner?: Owner } = {},
): void {
  switch (type) {
    case "regular":
      script.expect("0", "create", name, 0o644);
      break;
    case "dir":
      script.expect("0", "mkdir", name, 0o755);
      break;
    case "fifo":
      script.expect("0", "mkfifo", name, 0o644);
      break;
    case "block":
    case "char":
      script.expect("0", "mknod", name, type, 0o644, 1, 2);
      break;
    case "socket":
      script.expect("0", "bind", name);
      break;
    case "symlink":
      script.expect("0", "symlink", "test", name);
      break;
  }
  if (mode !== undefined) script.expect("0", "chmod", name, mode);
  if (owner) script.expect("0", "lchown", name, owner.uid, owner.gid);
}

/** One assertion. */
export function remove(script: Script, type: FileType, name: string): void {
  script.expect("0", type === "dir" ? "rmdir" : "unlink", name);
}
