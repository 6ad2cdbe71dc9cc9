/** Small kernels and kernel modules made to order: well-formed as far as Windlass reads them. */
import { gzipSync } from "node:zlib";
import { createLz4Compressor } from "../../../../image-builder/filesystems/lz4-compressor.ts";

export interface BzImageFixture {
  /** Default "6.1.0-test". */
  readonly release?: string;
  /** What is packed; default a small ELF file. */
  readonly content?: Uint8Array;
  readonly packing?: "none" | "gzip" | "lz4" | "xz";
}

/** Setup sectors: the compressed part begins behind them and the boot sector. */
const SETUP_SECTORS = 3;
const COMPRESSED_AT = (SETUP_SECTORS + 1) * 512;
const PAYLOAD_OFFSET = 32;
const VERSION_AT = 0x300;

/** A bzImage by Documentation/x86/boot.rst; the packed kernel is not runnable. */
export function bzImage(fixture: BzImageFixture = {}): Buffer {
  const { release = "6.1.0-test", content = elfKernel(), packing = "gzip" } = fixture;
  const payload = packed(content, packing);
  const header = Buffer.alloc(COMPRESSED_AT + PAYLOAD_OFFSET);
  header[0x1f1] = SETUP_SECTORS;
  header.write("HdrS", 0x202, "latin1");
  header.writeUInt16LE(VERSION_AT - 0x200, 0x20e);
  header.writeUInt32LE(PAYLOAD_OFFSET, 0x248);
  header.writeUInt32LE(payload.length, 0x24c);
  header.write(`${release} (builder@host) #1 SMP\0`, VERSION_AT, "latin1");
  return Buffer.concat([header, payload, Buffer.alloc(64)]);
}

/** The begin of an ELF kernel and something behind it. */
export function elfKernel(text = "a kernel"): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.write(text, 5000);
  return bytes;
}

function packed(content: Uint8Array, packing: NonNullable<BzImageFixture["packing"]>): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  switch (packing) {
    case "none":
      return Buffer.from(content);
    case "gzip":
      return gzipSync(content); // Ends with the size by its own format.
    case "lz4": {
      const target = new Uint8Array(content.length + 1024);
      const compressor = createLz4Compressor(4);
      compressor.load(content);
      const { producedBytes } = compressor.compress(0, content.length, target, target.length);
      const block = target.subarray(0, producedBytes);
      const header = Buffer.alloc(8);
      header.writeUInt32LE(0x184c2102, 0);
      header.writeUInt32LE(block.length, 4);
      return Buffer.concat([header, block, size]);
    }
    case "xz":
      return Buffer.concat([Buffer.from("\xfd7zXZ\0 and so on", "latin1"), size]);
  }
}

/** A module that depends on others: an ELF file with the sections .modinfo and .shstrtab. */
export function kernelModule(depends: readonly string[] = []): Buffer {
  const info = Buffer.from(`license=GPL\0depends=${depends.join(",")}\0name=test\0`, "latin1");
  const names = Buffer.from("\0.modinfo\0.shstrtab\0", "latin1");
  const infoAt = 64;
  const namesAt = infoAt + info.length;
  const tableAt = namesAt + names.length;
  const file = Buffer.alloc(tableAt + 3 * 64);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(1, 16); // ET_REL
  file.writeUInt16LE(62, 18); // EM_X86_64
  file.writeBigUInt64LE(BigInt(tableAt), 40);
  file.writeUInt16LE(64, 58); // e_shentsize
  file.writeUInt16LE(3, 60); // e_shnum
  file.writeUInt16LE(2, 62); // e_shstrndx
  info.copy(file, infoAt);
  names.copy(file, namesAt);
  const section = (index: number, name: number, offset: number, size: number): void => {
    file.writeUInt32LE(name, tableAt + index * 64);
    file.writeBigUInt64LE(BigInt(offset), tableAt + index * 64 + 24);
    file.writeBigUInt64LE(BigInt(size), tableAt + index * 64 + 32);
  };
  section(1, 1, infoAt, info.length);
  section(2, 10, namesAt, names.length);
  return file;
}
