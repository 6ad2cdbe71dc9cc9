/** `windlass cp`. */
import { lstat, stat } from "node:fs/promises";
import { dirname, posix, resolve } from "node:path";
import type { FileStatus } from "../../../guest/api/file.ts";
import { HostError } from "../../errors.ts";
import type { GuestClient } from "../../guest-client/guest-client.ts";
import { packTar } from "../../guest-client/tar-pack.ts";
import { Instances } from "../../instance/instances.ts";
import { type CopyEnd, copyTarget, type FileKind, parseCopyEnd } from "../copy-paths.ts";
import type { Execute, Invocation } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";
import { bytesText } from "../quantity-text.ts";
import { unpackTar } from "../tar-unpack.ts";

interface Copied {
  readonly entries: number;
  readonly sizeBytes: number;
}

type GuestEnd = Extract<CopyEnd, { kind: "guest" }>;

export const execute: Execute<"cp"> = async (invocation) => {
  const { operands, options, output } = invocation;
  const [from = "", to = ""] = operands;
  const source = parseCopyEnd(from);
  const target = parseCopyEnd(to);
  const copied = await copy(invocation, source, target);
  if (copied === undefined) return 0;
  if (options.json) await output.json({ source: from, target: to, ...copied });
  else if (!options.quiet) {
    const size = bytesText(copied.sizeBytes);
    const entries = `${copied.entries} ${copied.entries === 1 ? "entry" : "entries"}`;
    output.note(`Copied ${size} (${entries}) to ${printableLine(to)}`);
  }
  return 0;
};

/** @returns undefined when standard output has it: nothing else may be printed there */
async function copy(
  invocation: Invocation<"cp">,
  source: CopyEnd,
  target: CopyEnd,
): Promise<Copied | undefined> {
  if (source.kind === "guest" && target.kind !== "guest") {
    const { client } = await new Instances().client(source.instance);
    await using _client = client;
    if (target.kind === "local") return await download(invocation, client, source, target.path);
    const tar = await client.archiveGet(source.path, { signal: invocation.signal });
    for await (const chunk of tar) await invocation.output.print(chunk);
    return undefined;
  }
  if (target.kind === "guest" && source.kind !== "guest") {
    const { client } = await new Instances().client(target.instance);
    await using _client = client;
    if (source.kind === "local") return await upload(invocation, client, source.path, target);
    return await client.archivePut(target.path, process.stdin, { signal: invocation.signal });
  }
  throw new HostError("WL_USAGE", "One of SRC and DST is in a guest, and only one", {
    next: "Write NAME:PATH for the one in the guest",
  });
}

async function download(
  { output, signal }: Invocation<"cp">,
  client: GuestClient,
  source: GuestEnd,
  targetPath: string,
): Promise<Copied> {
  const target = copyTarget({
    sourcePath: source.path,
    sourceKind: await guestKind(client, source.path, signal),
    targetPath,
    targetKind: await localKind(targetPath),
    targetParentKind: await localKind(dirname(resolve(targetPath))),
  });
  const folder = resolve(target.folder);
  const tar = await client.archiveGet(posix.normalize(source.path), { signal });
  const { name } = target;
  const { skipped, entries, sizeBytes } = await unpackTar(tar, { folder, name, signal });
  for (const one of skipped) output.note(`left out, a device: ${printableLine(one)}`);
  return { entries, sizeBytes };
}

async function upload(
  { output, signal }: Invocation<"cp">,
  client: GuestClient,
  sourcePath: string,
  { path }: GuestEnd,
): Promise<Copied> {
  const target = copyTarget({
    sourcePath: sourcePath === "." ? "./." : sourcePath,
    sourceKind: await localKind(sourcePath, { followLink: sourcePath.endsWith("/") }),
    targetPath: path,
    targetKind: await guestKind(client, path, signal),
    targetParentKind: await guestKind(client, posix.dirname(path), signal),
  });
  const absolute = resolve(sourcePath);
  const name = target.name;
  const onSkip = (skipped: string): void => output.note(`left out: ${printableLine(skipped)}`);
  const tar = packTar({ path: absolute, name, signal, onSkip });
  return await client.archivePut(target.folder, tar, { signal });
}

async function localKind(path: string, { followLink = true } = {}): Promise<FileKind> {
  const found = await (followLink ? stat : lstat)(path).catch(() => undefined);
  if (found === undefined) return "missing";
  if (found.isDirectory()) return "directory";
  return found.isSymbolicLink() ? "symlink" : "file";
}

/** Links followed. */
async function guestKind(
  client: GuestClient,
  path: string,
  signal: AbortSignal,
): Promise<FileKind> {
  try {
    const query = { op: "GETFILESTATUS" } as const;
    const body = await client.call("fileGet", { path: { path }, query }, { signal });
    const { type } = JSON.parse(body.toString("utf8")) as FileStatus;
    return type === "DIRECTORY" ? "directory" : "file";
  } catch (error) {
    const isMissing = error instanceof HostError && error.facts.detail?.["status"] === 404;
    if (!isMissing) throw error;
    return "missing";
  }
}
