/** OCI image layouts whose documents a test makes wrong, one at a time. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: unknown;
}

export type Json = Readonly<Record<string, unknown>>;

export const AMD64 = { os: "linux", architecture: "amd64" };
export const OCI = (name: string): string => `application/vnd.oci.image.${name}.v1+json`;
export const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** What is otherwise than in a good image; a text or bytes stand for the whole document. */
export interface Changes {
  readonly layout?: Json | string;
  readonly index?: Json | string;
  readonly manifest?: Json | string;
  /** In place of the manifest's in the index. */
  readonly descriptor?: Json;
  readonly config?: Json | string;
  /** In place of the configuration's in the manifest. */
  readonly configDescriptor?: Json;
  readonly layer?: Buffer;
}

/** Writes a blob. */
export async function putBlob(
  folder: string,
  mediaType: string,
  content: Buffer | string | Json,
): Promise<Descriptor> {
  const bytes = bytesOf(content);
  const hex = createHash("sha256").update(bytes).digest("hex");
  await mkdir(join(folder, "blobs/sha256"), { recursive: true });
  await writeFile(join(folder, "blobs/sha256", hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

/** A layout of one image with one layer, but for the changes. @returns the descriptors of its parts */
export async function writeLayoutWith(folder: string, changes: Changes) {
  const layer = await putBlob(folder, LAYER, changes.layer ?? Buffer.alloc(1024));
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const config = await putBlob(
    folder,
    OCI("config"),
    withChange({ ...AMD64, config: { Cmd: ["/init"] }, rootfs }, changes.config),
  );
  const named = { ...config, ...changes.configDescriptor };
  const manifest = await putBlob(
    folder,
    OCI("manifest"),
    withChange({ schemaVersion: 2, config: named, layers: [layer] }, changes.manifest),
  );
  const manifests = [{ ...manifest, platform: AMD64, ...changes.descriptor }];
  const index = withChange({ schemaVersion: 2, manifests }, changes.index);
  await writeFile(join(folder, "index.json"), bytesOf(index));
  const layout = withChange({ imageLayoutVersion: "1.0.0" }, changes.layout);
  await writeFile(join(folder, "oci-layout"), bytesOf(layout));
  return { layer, config, manifest };
}

function withChange(document: Json, change: Json | string | undefined): Json | string {
  return typeof change === "string" ? change : { ...document, ...change };
}

function bytesOf(content: Buffer | string | Json): Buffer {
  if (Buffer.isBuffer(content)) return content;
  return Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
}

/** What some work ends with: a container error with a next step. @returns its message */
export async function containerRefusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, ImageError);
  const { code, facts, message } = error as ImageError;
  assert.is(code, "WL_IMAGE_CONTAINER_INVALID", message);
  assert.ok(facts.next);
  assert.ok(message.length < 1000, message);
  return message;
}
