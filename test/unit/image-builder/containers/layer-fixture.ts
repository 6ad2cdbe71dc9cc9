/** Layers in memory: packed by tar-stream, which is no code of the reader, and applied. */
import { createHash } from "node:crypto";
import { pack } from "tar-stream";
import type { Layer } from "../../../../image-builder/containers/layer-stream.ts";
import { unpackContainer } from "../../../../image-builder/containers/unpack.ts";
import type { LinkEntry, TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

export interface FixtureMember {
  readonly name: string;
  readonly type?: "file" | "directory" | "symlink" | "link" | "character-device" | "fifo";
  readonly linkname?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly text?: string;
  readonly pax?: Record<string, string>;
}

export async function archiveOf(members: readonly FixtureMember[]): Promise<Buffer> {
  const packer = pack();
  for (const { text = "", ...header } of members) packer.entry(header, text);
  packer.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of packer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

export function layerOf(blob: Buffer, change: Partial<Layer> = {}): Layer {
  const hex = createHash("sha256").update(blob).digest("hex");
  return {
    title: "Layer",
    compression: "detect",
    diffId: `sha256:${hex}`,
    sizeBytes: blob.length,
    async *open() {
      // Odd pieces: what spans two of them must not matter.
      for (let at = 0; at < blob.length; at += 1000) yield blob.subarray(at, at + 1000);
    },
    ...change,
  };
}

/** Of an image that says nothing. */
export const NO_CONFIG = {
  ...{ entrypoint: [], cmd: [], env: {}, user: "", workdir: "/", ports: [], volumes: [] },
  stopSignal: "SIGTERM",
};

export interface Applied {
  readonly entries: ReadonlyMap<string, TreeEntry | LinkEntry>;
  readonly warnings: readonly string[];
}

/** The tree of some layers, by path, without what Windlass adds to every root. */
export async function applied(layers: readonly Layer[], limitBytes?: number): Promise<Applied> {
  await using folder = await temporaryFolder();
  const options = { folder: folder.path, limitBytes };
  const { entries, warnings } = await unpackContainer({ layers, config: NO_CONFIG }, options);
  const own = entries.filter(({ path }) => !path.startsWith("/sbin/windlass-"));
  return { entries: new Map(own.map((entry) => [entry.path, entry])), warnings };
}

export async function appliedMembers(...layers: (readonly FixtureMember[])[]): Promise<Applied> {
  return await applied(
    await Promise.all(layers.map(async (members) => layerOf(await archiveOf(members)))),
  );
}
