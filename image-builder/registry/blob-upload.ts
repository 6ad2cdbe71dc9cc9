/**
 * Blobs into a registry (OCI distribution specification 1.1, "Pushing blobs"): one that is there is not sent
 * again, a small one goes in one request, a large one in pieces. After a broken piece the registry says how
 * far it got (`Range`), and we go on there.
 */
import { createReadStream } from "node:fs";
import type { IncomingMessage } from "node:http";
import { dropReply, type RequestBody } from "./http-exchange.ts";
import type { Descriptor } from "./manifest.ts";
import type { RegistryClient } from "./registry-client.ts";
import { registryError } from "./registry-error.ts";

export interface BlobUpload {
  readonly client: RegistryClient;
  readonly repository: string;
  readonly blob: Pick<Descriptor, "digest" | "size">;
  /** A file with the blob, or its bytes. */
  readonly source: string | Uint8Array;
  /** Sent in one request; default 32 MiB. */
  readonly pieceBytes?: number | undefined;
  readonly onBytes?: ((count: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PIECE_BYTES = 32 * 1024 * 1024;
const ATTEMPTS_MAX = 3;

/** Whether the repository has a blob. @throws {ImageError} WL_IMAGE_REGISTRY */
export async function hasBlob(
  client: RegistryClient,
  repository: string,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
): Promise<boolean> {
  const reply = await client.request({
    ...{ method: "HEAD", target: `${repository}/blobs/${digest}`, expected: [200, 404] },
    what: `look for blob ${digest.slice(7, 19)}`,
  });
  dropReply(reply);
  const length = reply.headers["content-length"];
  return reply.statusCode === 200 && (length === undefined || Number(length) === size);
}

/**
 * Asks the registry to take a blob over from another of its repositories.
 *
 * @returns whether it did
 */
export async function mountBlob(
  { client, repository, blob: { digest } }: Pick<BlobUpload, "client" | "repository" | "blob">,
  from: string,
): Promise<boolean> {
  const reply = await client.request({
    method: "POST",
    target: `${repository}/blobs/uploads/?${new URLSearchParams({ mount: digest, from })}`,
    ...{ what: `take blob ${digest.slice(7, 19)} over`, expected: [201, 202] },
  });
  dropReply(reply);
  if (reply.statusCode === 201) return true;
  await cancelUpload(client, locationOf(client, reply, await client.origin("upload")));
  return false;
}

/** @throws {ImageError} WL_IMAGE_REGISTRY; or the signal's reason */
export async function uploadBlob(upload: BlobUpload): Promise<void> {
  const { client, repository, blob } = upload;
  const what = transferOf(upload);
  const begun = await client.request({
    ...{ method: "POST", target: `${repository}/blobs/uploads/`, what, expected: [202] },
    headers: { "content-length": "0" },
  });
  dropReply(begun);
  let location = locationOf(client, begun, await client.origin(what));
  if (blob.size <= (upload.pieceBytes ?? PIECE_BYTES)) {
    await finishUpload(upload, location, { sizeBytes: blob.size, open: () => open(upload, 0) });
    upload.onBytes?.(blob.size);
    return;
  }
  location = await sendPieces(upload, location);
  await finishUpload(upload, location, undefined);
}

/** @returns where the upload is to be finished */
async function sendPieces(upload: BlobUpload, first: URL): Promise<URL> {
  const { blob, pieceBytes = PIECE_BYTES, onBytes, signal } = upload;
  let location = first;
  let sent = 0;
  for (let failures = 0; sent < blob.size; ) {
    try {
      const size = Math.min(pieceBytes, blob.size - sent);
      location = await sendPiece(upload, location, sent, size);
      sent += size;
      onBytes?.(size);
      failures = 0;
    } catch (error) {
      signal?.throwIfAborted();
      failures += 1;
      if (failures === ATTEMPTS_MAX) throw error;
      // What it cannot say any more is lost: then its own refusal is the error.
      const state = await uploadState(upload, location).catch(() => undefined);
      if (!state) throw error;
      if (state.receivedBytes !== sent) onBytes?.(state.receivedBytes - sent);
      location = state.location;
      sent = state.receivedBytes;
    }
  }
  return location;
}

async function sendPiece(
  upload: BlobUpload,
  location: URL,
  at: number,
  sizeBytes: number,
): Promise<URL> {
  const { client } = upload;
  const reply = await client.request({
    ...{ method: "PATCH", target: location, what: transferOf(upload), expected: [202] },
    headers: {
      "content-type": "application/octet-stream",
      "content-range": `${at}-${at + sizeBytes - 1}`,
    },
    body: { sizeBytes, open: () => open(upload, at, sizeBytes) },
  });
  dropReply(reply);
  return locationOf(client, reply, location);
}

/** How far the registry got: "Range: 0-1023". */
async function uploadState(
  upload: BlobUpload,
  location: URL,
): Promise<{ readonly location: URL; readonly receivedBytes: number }> {
  const { client, blob } = upload;
  const reply = await client.request({
    ...{ method: "GET", target: location, what: transferOf(upload), expected: [204] },
  });
  dropReply(reply);
  const range = /^(?:bytes=)?0-(\d+)$/.exec(String(reply.headers["range"] ?? ""));
  const last = Number(range?.[1] ?? Number.NaN);
  // A registry that has nothing yet says 0-0, as one does that has one byte.
  const receivedBytes = last > 0 ? last + 1 : 0;
  if (!Number.isSafeInteger(last) || receivedBytes > blob.size) {
    const message = `Cannot ${transferOf(upload)}: registry "${client.host}" lost track of it`;
    throw registryError(message, "Push again");
  }
  return { location: locationOf(client, reply, location), receivedBytes };
}

async function finishUpload(
  upload: BlobUpload,
  location: URL,
  body: RequestBody | undefined,
): Promise<void> {
  const { client, blob } = upload;
  const target = new URL(location);
  target.searchParams.set("digest", blob.digest);
  const reply = await client.request({
    ...{ method: "PUT", target, what: transferOf(upload), expected: [201] },
    headers: {
      "content-type": "application/octet-stream",
      ...(body === undefined && { "content-length": "0" }),
    },
    body,
  });
  dropReply(reply);
}

/** A courtesy: the registry forgets an upload by itself, later. */
async function cancelUpload(client: RegistryClient, location: URL): Promise<void> {
  const expected = [200, 202, 204, 404, 405];
  const request = {
    method: "DELETE",
    target: location,
    what: "cancel an upload",
    expected,
  } as const;
  const reply = await client.request(request).catch(() => undefined);
  if (reply) dropReply(reply);
}

/** Where the upload goes on: the registry says so in each reply. */
function locationOf(client: RegistryClient, reply: IncomingMessage, base: URL): URL {
  const location = reply.headers.location ?? "";
  if (location !== "" && URL.canParse(location, base.href)) return new URL(location, base);
  const message = `Cannot upload: registry "${client.host}" does not say where to`;
  throw registryError(message, "Tell the registry's operator");
}

function open({ source }: BlobUpload, at: number, sizeBytes?: number) {
  const end = sizeBytes === undefined ? undefined : at + sizeBytes;
  if (typeof source !== "string") return source.subarray(at, end);
  return createReadStream(source, { start: at, ...(end !== undefined && { end: end - 1 }) });
}

function transferOf({ blob }: Pick<BlobUpload, "blob">): string {
  return `upload blob ${blob.digest.slice(7, 19)}`;
}
