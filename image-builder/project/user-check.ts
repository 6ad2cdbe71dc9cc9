/** The manifest's user by the files that the guest will look into: found out now, and not by the guest's first start. */
import { readFile } from "node:fs/promises";
import { ImageError } from "../errors.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { GROUP, PASSWD } from "../rootfs/system-files.ts";
import type { FileSource, TreeEntry } from "../rootfs/tree.ts";
import { withIoError } from "../runtimes/io-error.ts";

/**
 * Numbers need no names.
 *
 * @param entries the project's, which go before every image's own files
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID for a user or group that the image does not have
 */
export async function checkUser(
  { user, source }: Pick<Manifest, "user" | "source">,
  entries: readonly TreeEntry[],
): Promise<void> {
  const [name = "", group] = user.split(":", 2);
  await checkName({ kind: "user", name, path: "/etc/passwd", usual: PASSWD }, entries, source);
  if (group === undefined) return;
  const groups = { kind: "group", name: group, path: "/etc/group", usual: GROUP };
  await checkName(groups, entries, source);
}

interface Wanted {
  readonly kind: string;
  readonly name: string;
  readonly path: string;
  /** What images have at `path` by themselves. */
  readonly usual: string;
}

async function checkName(
  { kind, name, path, usual }: Wanted,
  entries: readonly TreeEntry[],
  source: string,
): Promise<void> {
  if (/^[0-9]{1,10}$/.test(name)) return;
  // Of several at one path the last wins.
  const own = entries.findLast((entry) => entry.path === path);
  if (own !== undefined && own.kind !== "file") return; // A link: the guest follows it.
  const text = own === undefined ? usual : await textOf(own.source);
  const names = text.split("\n").map((line) => line.split(":")[0]);
  if (names.includes(name)) return;
  const known = usual.match(/^[^:\n]+/gm)?.join(", ");
  const message = `There is no ${kind} ${JSON.stringify(name)} in the image`;
  const next =
    own === undefined
      ? `Name one of ${known}, take a number such as 1000, or bring a file: include: ["./${path.slice("/etc/".length)}:${path}"]`
      : `Add it to the ${path} that the project brings, or take a number such as 1000`;
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, { file: source, next });
}

async function textOf(source: FileSource): Promise<string> {
  if (source.kind === "bytes") return Buffer.from(source.bytes).toString("utf8");
  if (source.kind === "path") {
    return await withIoError("read", source.path, readFile(source.path, "utf8"));
  }
  throw new TypeError("a project's files are not parts of others");
}
