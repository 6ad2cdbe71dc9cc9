/** Container images made by ordinary means: tar packs the layers, gzip compresses them, the documents are written here. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Why containers cannot be made, pushed or unpacked here; undefined when they can. */
export function programsMissing(...programs: readonly string[]): string | undefined {
  const missing = programs.filter(
    (name) => !["/usr/bin", "/bin", "/usr/sbin"].some((folder) => existsSync(join(folder, name))),
  );
  return missing.length === 0 ? undefined : `there is no ${missing.join(", no ")}`;
}

/** Writes text files, with the folders that they need. */
export function fill(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** A folder as an archive, its holes as holes, everything in it owned by one user. */
export function packFolder(folder: string, owner: { uid: number; gid: number }): Buffer {
  const flags = ["--format=posix", "-S", "--sort=name", "--numeric-owner"];
  const owners = [`--owner=${owner.uid}`, `--group=${owner.gid}`];
  const args = ["-C", folder, ...flags, ...owners, "-cf", "-", "."];
  return execFileSync("tar", args, { maxBuffer: 1 << 28 });
}

/** Writes an OCI image layout with one image, called "test". @param config "Cmd", "Env" and so on */
export function writeLayout(folder: string, archives: readonly Buffer[], config: object): void {
  mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
  const put = (mediaType: string, bytes: Buffer) => {
    const digest = sha256(bytes);
    writeFileSync(join(folder, "blobs/sha256", digest.slice("sha256:".length)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const json = (type: string, value: unknown) =>
    put(`application/vnd.oci.image.${type}.v1+json`, Buffer.from(JSON.stringify(value)));
  const layers = archives.map((one) =>
    put("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(one)),
  );
  const platform = { os: "linux", architecture: "amd64" };
  const rootfs = { type: "layers", diff_ids: archives.map(sha256) };
  const own = json("config", { ...platform, config, rootfs });
  const manifest = json("manifest", { schemaVersion: 2, config: own, layers });
  const annotations = { "org.opencontainers.image.ref.name": "test" };
  const manifests = [{ ...manifest, annotations, platform }];
  writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
