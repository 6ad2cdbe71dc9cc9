/** What /file says about a file; and the files that a pattern with `*` and `?` names. */
import type { Stats } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { FileStatus } from "../api/file.ts";
import { AgentError } from "./agent-error.ts";

/** Most entries of one listing. */
const LIST_MAX = 100_000;

/** Describes what the path names; a link is followed, as in OSv. @throws ENOENT and its like */
export async function fileStatus(path: string, name = basename(path)): Promise<FileStatus> {
  const [found, names] = await Promise.all([stat(path), userNames()]);
  return describe(found, name, names);
}

/** The folder's entries with `.` and `..`, or the files that the pattern names. */
export async function listStatus(path: string): Promise<FileStatus[]> {
  const names = await userNames();
  if (/[*?]/.test(path)) {
    const paths = await matches(path);
    return (await Promise.all(paths.map((one) => tryDescribe(one, basename(one), names)))).flat();
  }
  const entries = [".", "..", ...(await readdir(path))];
  bounded(entries.length);
  const found = entries.map((name) => tryDescribe(join(path, name), name, names));
  return (await Promise.all(found)).flat();
}

async function matches(pattern: string): Promise<string[]> {
  let folders = ["/"];
  for (const part of pattern.split("/").filter((one) => one !== "")) {
    if (!/[*?]/.test(part)) {
      folders = folders.map((folder) => join(folder, part));
      continue;
    }
    const expression = globExpression(part);
    const next: string[] = [];
    for (const folder of folders) {
      for (const name of await readdirIfAny(folder)) {
        if (expression.test(name)) next.push(join(folder, name));
      }
      bounded(next.length);
    }
    folders = next;
  }
  return folders;
}

/** `*` is any text, `?` any character. Runs of `*` are one, so that matching stays fast. */
export function globExpression(pattern: string): RegExp {
  const source = pattern
    .replace(/\*+/g, "*")
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "su");
}

async function readdirIfAny(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

function bounded(count: number): void {
  if (count > LIST_MAX) {
    throw new AgentError("WL_AGENT_TOO_LARGE", `More than ${LIST_MAX} entries: name fewer`);
  }
}

/** Nothing for an entry that cannot be described: a dangling link, or one that went away. */
async function tryDescribe(path: string, name: string, names: UserNames): Promise<FileStatus[]> {
  try {
    return [describe(await stat(path), name, names)];
  } catch {
    return [];
  }
}

function describe(found: Stats, pathSuffix: string, names: UserNames): FileStatus {
  return {
    accessTime: Math.floor(found.atimeMs / 1000),
    blockSize: found.blksize,
    group: names.groups.get(found.gid) ?? String(found.gid),
    length: found.size,
    modificationTime: Math.floor(found.mtimeMs / 1000),
    owner: names.users.get(found.uid) ?? String(found.uid),
    pathSuffix,
    permission: (found.mode & 0o777).toString(8),
    replication: found.nlink,
    type: found.isDirectory() ? "DIRECTORY" : "FILE",
  };
}

interface UserNames {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

async function userNames(): Promise<UserNames> {
  const [users, groups] = await Promise.all([idNames("/etc/passwd"), idNames("/etc/group")]);
  return { users, groups };
}

/** Lines of both files begin `name:password:id`; see passwd(5), group(5). */
async function idNames(path: string): Promise<Map<number, string>> {
  const names = new Map<number, string>();
  const text = await readFile(path, "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":");
    if (name && id && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
