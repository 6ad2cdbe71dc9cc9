/**
 * The bzImage file format (Documentation/x86/boot.rst, "The Linux/x86 Boot Protocol"): which kernel it
 * is, and the kernel proper inside it. Pure.
 *
 * | offset | length | meaning |
 * |---|---|---|
 * | 0x1f1 | 1 | setup sectors; the compressed part begins at (n + 1) * 512 |
 * | 0x202 | 4 | "HdrS" |
 * | 0x20e | 2 | offset of the version string, less 0x200 |
 * | 0x248 | 4 | payload offset from the begin of the compressed part |
 * | 0x24c | 4 | payload length |
 *
 * The payload is the ELF kernel, packed; its last four bytes are the unpacked size. A gzip file ends
 * with it anyway, to the others the kernel's build appends it (scripts/Makefile.lib, "size_append").
 */
import { gunzipSync } from "node:zlib";
import { ImageError } from "../errors.ts";
import { decompressLz4Legacy, LZ4_LEGACY_MAGIC } from "../filesystems/lz4-legacy-frame.ts";

const SECTOR_BYTES = 512;
const HEADER_END = 0x250;
const SIZE_SUFFIX_BYTES = 4;
const GZIP_MAGIC = 0x1f8b;
/** No kernel unpacks to more; a file that does is no kernel. */
const KERNEL_BYTES_MAX = 512 * 1024 * 1024;
const ELF_MAGIC = 0x7f454c46;

/** Whether the file is an ELF kernel (vmlinux), which needs no unpacking. */
export function isElfKernel(bytes: Buffer): boolean {
  return bytes.length > 64 && bytes.readUInt32BE(0) === ELF_MAGIC;
}

/**
 * The release, as `uname -r` will print it, for example "6.1.0-56-cloud-amd64".
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when the file is no bzImage
 */
export function kernelRelease(bytes: Buffer, file: string): string {
  checkHeader(bytes, file);
  const start = bytes.readUInt16LE(0x20e) + 0x200;
  const text = bytes.toString("latin1", start, start + 256).split("\0", 1)[0] ?? "";
  const release = text.split(" ", 1)[0] ?? "";
  if (!/^\d[\w.+~-]{0,127}$/.test(release)) throw invalid(file, "it names no release");
  return release;
}

/**
 * The ELF kernel inside, or undefined when it is packed with something Node cannot unpack (xz, lzma,
 * bzip2, lzo); the bzImage itself boots then, only slower.
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when the file is no bzImage or is damaged
 */
export function unpackKernel(bytes: Buffer, file: string): Buffer | undefined {
  checkHeader(bytes, file);
  const start = ((bytes[0x1f1] ?? 0) + 1) * SECTOR_BYTES + bytes.readUInt32LE(0x248);
  const length = bytes.readUInt32LE(0x24c);
  if (start + length > bytes.length || length < 16) throw invalid(file, "it is cut off");
  const payload = bytes.subarray(start, start + length);
  try {
    if (payload.readUInt32LE(0) === LZ4_LEGACY_MAGIC) {
      return elf(decompressLz4Legacy(payload.subarray(0, -SIZE_SUFFIX_BYTES)));
    }
    if (payload.readUInt16BE(0) === GZIP_MAGIC) {
      return elf(gunzipSync(payload, { maxOutputLength: KERNEL_BYTES_MAX }));
    }
  } catch (cause) {
    throw invalid(file, `its payload is damaged: ${(cause as Error).message}`, cause);
  }
  return isElfKernel(payload) ? payload : undefined;
}

function elf(bytes: Uint8Array): Buffer | undefined {
  const kernel = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isElfKernel(kernel) ? kernel : undefined;
}

function checkHeader(bytes: Buffer, file: string): void {
  if (bytes.length < HEADER_END || bytes.toString("latin1", 0x202, 0x206) !== "HdrS") {
    throw invalid(file, "it is neither a bzImage nor an ELF kernel");
  }
}

function invalid(file: string, why: string, cause?: unknown): ImageError {
  return new ImageError(
    "WL_IMAGE_KERNEL_UNAVAILABLE",
    `Cannot use kernel "${file}": ${why}`,
    { file, next: "Name an x86-64 Linux kernel (vmlinuz, bzImage or vmlinux)" },
    cause,
  );
}
