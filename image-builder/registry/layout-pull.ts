/**
 * A container image of a registry, into an OCI image layout of the cache:
 *
 * ```
 * CACHE/registry/blobs/sha256/HEX           shared by all; HEX.partial while it is on its way
 * CACHE/registry/layouts/HEX/oci-layout     one folder a manifest
 *                            index.json     names the manifest, with the reference's tag
 *                            blobs          link to the blobs of all
 * ```
 */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { DOCUMENT_BYTES_MAX } from "../containers/document.ts";
import { quoted } from "../foreign-text.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { replaceFile } from "../store/replace-file.ts";
import { downloadBlob } from "./blob-download.ts";
import { type Descriptor, type FetchedManifest, fetchManifest } from "./manifest.ts";
import { manifestName, type RegistryReference, referenceText } from "./reference.ts";
import { RegistryClient, type RegistryOptions } from "./registry-client.ts";
import { registryError } from "./registry-error.ts";

export interface LayoutPull extends RegistryOptions {
  readonly reference: RegistryReference;
  /** Folders.cache */
  readonly cacheFolder: string;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

export interface TransferProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface PulledLayout {
  readonly layoutFolder: string;
  /** Of the manifest: "sha256:HEX". */
  readonly digest: string;
  /** Of manifest, configuration and layers. */
  readonly sizeBytes: number;
  /** How much of that had to be fetched. */
  readonly fetchedBytes: number;
  /** Files of the cache with configuration and layers. */
  readonly blobPaths: readonly string[];
}

/** Layers that are on their way at once, as with Docker. */
const TRANSFERS_AT_ONCE = 3;
const CONTAINER_CONFIGS = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];
/** Configurations of our own images begin so (windlass-artifact.ts). */
const OURS = "application/vnd.windlass.image.config.";

/** @throws {ImageError} WL_IMAGE_REGISTRY, WL_IMAGE_IO; or the signal's reason */
export async function pullLayout(pull: LayoutPull): Promise<PulledLayout> {
  const { reference, cacheFolder } = pull;
  const scope = `repository:${reference.repository}:pull`;
  using client = new RegistryClient(reference.host, scope, pull);
  const fetched = await fetchManifest(client, reference);
  refuseOther(fetched, reference);
  const { config, layers } = fetched.manifest;
  const fetchedBytes = await downloadBlobs(client, pull, [config, ...layers]);
  const layoutFolder = await writeLayout(registryFolder(cacheFolder), fetched, reference);
  const sizeBytes = [config, ...layers].reduce((sum, { size }) => sum + size, 0);
  return {
    blobPaths: [config, ...layers].map(({ digest }) => cachedBlobPath(cacheFolder, digest)),
    ...{ layoutFolder, digest: fetched.descriptor.digest, fetchedBytes },
    sizeBytes: sizeBytes + fetched.bytes.length,
  };
}

/** Where the cache keeps what came from registries. */
function registryFolder(cacheFolder: string): string {
  return join(cacheFolder, "registry");
}

/** The file of a blob, whole or not there. @param digest "sha256:HEX" */
export function cachedBlobPath(cacheFolder: string, digest: string): string {
  return join(blobFolder(cacheFolder), digest.slice("sha256:".length));
}

/** The folder of these files. */
export function blobFolder(cacheFolder: string): string {
  return join(registryFolder(cacheFolder), "blobs/sha256");
}

/** @returns the bytes that were fetched */
export async function downloadBlobs(
  client: RegistryClient,
  { reference, cacheFolder, onProgress, signal }: LayoutPull,
  blobs: readonly Descriptor[],
): Promise<number> {
  const different = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
  const totalBytes = different.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  let fetchedBytes = 0;
  const failure = new AbortController();
  const signals = [failure.signal, ...(signal ? [signal] : [])];
  const queue = [...different];
  const work = async (): Promise<void> => {
    for (let blob = queue.shift(); blob && !failure.signal.aborted; blob = queue.shift()) {
      let counted = 0;
      const onBytes = (count: number): void => {
        counted += count;
        doneBytes += count;
        fetchedBytes += count;
        onProgress?.({ doneBytes, totalBytes });
      };
      const path = cachedBlobPath(cacheFolder, blob.digest);
      const { repository } = reference;
      const wait = AbortSignal.any(signals);
      await downloadBlob({ client, repository, blob, path, onBytes, signal: wait });
      doneBytes += blob.size - counted;
      onProgress?.({ doneBytes, totalBytes });
    }
  };
  const workers = Array.from({ length: TRANSFERS_AT_ONCE }, () =>
    work().catch((error) => {
      failure.abort(error);
      client[Symbol.dispose](); // Ends what is on its way.
      throw error;
    }),
  );
  const results = await Promise.allSettled(workers);
  signal?.throwIfAborted();
  if (failure.signal.aborted) throw failure.signal.reason;
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return fetchedBytes;
}

function refuseOther(
  { manifest: { config } }: FetchedManifest,
  reference: RegistryReference,
): void {
  const text = referenceText(reference);
  if (CONTAINER_CONFIGS.includes(config.mediaType)) {
    if (config.size <= DOCUMENT_BYTES_MAX) return;
    throw registryError(
      `Cannot use "${text}": its configuration says it has ${config.size} bytes; ${DOCUMENT_BYTES_MAX} are the most that is read`,
      "Check the name and the tag, or have its author build it again",
    );
  }
  if (config.mediaType.startsWith(OURS)) {
    const next = `Use "windlass pull ${text}"`;
    throw registryError(`"${text}" is an image of Windlass, no container image`, next);
  }
  throw registryError(
    `Cannot use "${text}": it is no container image, but of the unknown media type ${quoted(config.mediaType)}`,
    "Check the name and the tag",
  );
}

async function writeLayout(
  folder: string,
  { descriptor, bytes }: FetchedManifest,
  reference: RegistryReference,
): Promise<string> {
  const hex = descriptor.digest.slice("sha256:".length);
  const layout = join(folder, "layouts", hex);
  await withIoError("write", layout, mkdir(layout, { recursive: true }));
  const name = reference.tag ?? manifestName(reference);
  const annotations = { "org.opencontainers.image.ref.name": name };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations }] };
  await replaceFile(join(folder, "blobs/sha256", hex), bytes.toString("utf8"));
  await replaceFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}\n');
  const link = symlink("../../blobs", join(layout, "blobs"));
  const made = link.catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EEXIST") throw cause;
  });
  await withIoError("write", layout, made);
  await replaceFile(join(layout, "index.json"), `${JSON.stringify(index)}\n`);
  return layout;
}
