/**
 * Pulling and unpacking a container image of several layers from a registry on loopback. A figure is the bytes
 * of the unpacked layers over the time of a whole process: ours ends with an erofs image that can be booted,
 * skopeo with umoci end with a folder. Both begin with nothing in their caches.
 */
import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { uploadBlob } from "../../image-builder/registry/blob-upload.ts";
import { OCI_MANIFEST } from "../../image-builder/registry/manifest.ts";
import { RegistryClient } from "../../image-builder/registry/registry-client.ts";
import { ImageStore } from "../../image-builder/store/image-store.ts";
import { programsMissing } from "../support/container-layout.ts";
import { dockerRegistry, dockerRegistryMissing } from "../support/docker-registry.ts";
import { type BenchReport, report, Samples } from "./bench.ts";
import { type BenchHome, benchHome } from "./rig.ts";

const RUNS = 5;
const cli = join(import.meta.dirname, "../../dist/host-tools/cli/main.js");
const root = join(import.meta.dirname, "../..");

export async function benchPull(runs = RUNS): Promise<BenchReport> {
  const missing = (await dockerRegistryMissing()) ?? programsMissing("skopeo", "umoci");
  if (missing !== undefined) throw new Error(missing);
  const samples = new Samples();
  await using home = await benchHome();
  await using registry = await dockerRegistry({ signal: AbortSignal.timeout(60_000) });
  const reference = `${registry.host}/bench:1`;
  const unpackedBytes = await putImage(registry.host, home);
  const tools: readonly [string, (folder: string) => Promise<number>][] = [
    ["pull/windlass", () => withWindlass(home, reference)],
    ["pull/skopeo-umoci", (folder) => withSkopeo(folder, reference)],
  ];
  await withWindlass(home, reference); // Has the base made, which is no part of the image.
  for (let round = 0; round < runs; round += 1) {
    for (const [name, pull] of tools) {
      const folder = await mkdtemp(join(home.folder, "pull-"));
      const elapsedMs = await pull(folder);
      samples.add(name, "MB/s", unpackedBytes / 1e6 / (elapsedMs / 1000));
      await rm(folder, { recursive: true, force: true });
    }
  }
  return await report("pull", samples, "none");
}

/** A program of 90 MB, then many small files, then some of them removed. @returns bytes of the layers as tar */
async function putImage(host: string, home: BenchHome): Promise<number> {
  using client = new RegistryClient(host, "", {});
  const upload = async (bytes: Buffer, mediaType: string) => {
    const digest = sha256(bytes);
    const blob = { mediaType, digest, size: bytes.length };
    await uploadBlob({ client, repository: "bench", blob, source: bytes });
    return blob;
  };
  const whiteout = join(home.folder, ".wh.typebox");
  await writeFile(whiteout, "");
  const tars = [
    await tar(dirname(process.execPath), ["node"], "usr/bin"),
    await tar(join(root, "node_modules"), ["typebox", "fastify", "tsx", "yaml"], "srv"),
    await tar(home.folder, [".wh.typebox"], "srv"),
  ];
  const layers = [];
  for (const bytes of tars) {
    layers.push(await upload(bytes, "application/vnd.oci.image.layer.v1.tar+gzip"));
  }
  const unpacked = tars.map((bytes) => gunzipSync(bytes));
  const config = {
    ...{ architecture: "amd64", os: "linux" },
    config: { Entrypoint: ["/usr/bin/node"] },
    rootfs: { type: "layers", diff_ids: unpacked.map(sha256) },
  };
  const own = await upload(
    Buffer.from(JSON.stringify(config)),
    "application/vnd.oci.image.config.v1+json",
  );
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: own, layers };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const reply = await client.request({
    ...{ method: "PUT", target: "bench/manifests/1", what: "put the image", expected: [201] },
    headers: { "content-type": OCI_MANIFEST },
    body: { sizeBytes: bytes.length, open: () => bytes },
  });
  reply.destroy();
  return unpacked.reduce((sum, { length }) => sum + length, 0);
}

async function tar(folder: string, names: readonly string[], prefix: string): Promise<Buffer> {
  const owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name"];
  const args = ["-C", folder, ...owner, `--transform=s,^,${prefix}/,`, "-cf", "-", ...names];
  const options = { encoding: "buffer", maxBuffer: 1024 ** 3 } as const;
  const { stdout } = await promisify(execFile)("tar", args, options);
  return gzipSync(stdout);
}

/** @returns milliseconds */
async function withWindlass(home: BenchHome, reference: string): Promise<number> {
  await rm(join(home.folders.cache, "registry"), { recursive: true, force: true });
  const env = { ...process.env, WINDLASS_HOME: home.folder, XDG_RUNTIME_DIR: home.folder };
  await forgetProgram(home);
  const args = [cli, "build", "--from", reference, "-t", "bench", "-q"];
  return timed(process.execPath, args, env);
}

/** Removes the image's tree, so that it is made again; the base stays. */
async function forgetProgram({ folders }: BenchHome): Promise<void> {
  const store = new ImageStore(folders.data);
  const image = await store.find("bench");
  if (image) await rm(store.blobs.path(image.config.root.digest));
}

async function withSkopeo(folder: string, reference: string): Promise<number> {
  const layout = join(folder, "layout");
  const copy = ["--insecure-policy", "copy", "-q", "--src-tls-verify=false"];
  const pulledMs = timed("skopeo", [...copy, `docker://${reference}`, `oci:${layout}:1`]);
  const unpack = ["unpack", "--rootless", "--image", `${layout}:1`, join(folder, "bundle")];
  return pulledMs + timed("umoci", unpack);
}

function timed(program: string, args: readonly string[], env = process.env): number {
  const startedMs = performance.now();
  const { status, stderr, error } = spawnSync(program, args, { env });
  if (status !== 0) throw error ?? new Error(`${program} failed: ${stderr}`);
  return performance.now() - startedMs;
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
