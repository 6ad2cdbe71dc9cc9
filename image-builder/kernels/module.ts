/** Kernel modules: what they depend on, read from the module itself. Pure. */
import { ImageError } from "../errors.ts";

/**
 * Names in a module's `depends=` entry of its `.modinfo` section (include/linux/moduleinfo.h:
 * zero-terminated `tag=value` strings), with "-" and "_" as the kernel spells them in file names
 * left alone.
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when the file is no x86-64 ELF module
 */
export function moduleDependencies(bytes: Buffer, file: string): string[] {
  const info = section(bytes, ".modinfo", file).toString("latin1").split("\0");
  const depends = info.find((entry) => entry.startsWith("depends="))?.slice("depends=".length);
  return depends ? depends.split(",") : [];
}

/** "virtio-rng" and "virtio_rng" are one module. */
export function moduleName(name: string): string {
  return name.replaceAll("-", "_");
}

/** Layouts: ELF64 header and section header, ELF specification figures 1-3 and 1-9. */
function section(bytes: Buffer, wanted: string, file: string): Buffer {
  try {
    if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes.readUInt16LE(18) !== 62) {
      throw new RangeError("not an x86-64 ELF file");
    }
    const tableOffset = Number(bytes.readBigUInt64LE(40));
    const entrySize = bytes.readUInt16LE(58);
    const count = bytes.readUInt16LE(60);
    const header = (index: number): Buffer =>
      bytes.subarray(tableOffset + index * entrySize, tableOffset + (index + 1) * entrySize);
    const content = (entry: Buffer): Buffer => {
      const offset = Number(entry.readBigUInt64LE(24));
      return bytes.subarray(offset, offset + Number(entry.readBigUInt64LE(32)));
    };
    const names = content(header(bytes.readUInt16LE(62)));
    for (let index = 0; index < count; index += 1) {
      const start = header(index).readUInt32LE(0);
      const name = names.toString("latin1", start, names.indexOf(0, start));
      if (name === wanted) return content(header(index));
    }
    throw new RangeError(`it has no section ${wanted}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError(
      "WL_IMAGE_KERNEL_UNAVAILABLE",
      `Cannot read kernel module "${file}": ${reason}`,
      { file, next: "Add the kernel again: windlass kernel add" },
      cause,
    );
  }
}

/** include/linux/module_signature.h: what ends a signed module, behind a struct of 12 bytes. */
const SIGNATURE_END = "~Module signature appended~\n";
const SIGNATURE_HEADER_BYTES = 12;

/**
 * The module without the signature that is appended to it. Checking one takes an emulated CPU milliseconds,
 * and the image is known by its digest. A kernel that enforces signatures (CONFIG_MODULE_SIG_FORCE; no
 * distribution's does) cannot be used then.
 */
export function withoutSignature(bytes: Buffer): Buffer {
  const headerAt = bytes.length - SIGNATURE_END.length - SIGNATURE_HEADER_BYTES;
  if (headerAt < 0 || bytes.toString("latin1", headerAt + SIGNATURE_HEADER_BYTES) !== SIGNATURE_END)
    return bytes;
  const length = bytes.readUInt32BE(headerAt + SIGNATURE_HEADER_BYTES - 4);
  return length <= headerAt ? bytes.subarray(0, headerAt - length) : bytes;
}
