/** Says in words what a file is, from its first bytes; for messages, never for decisions. */

/** e_machine values a package manager may leave in a project (System V gABI, e_machine). */
const MACHINES: Readonly<Record<number, string>> = {
  2: "SPARC",
  3: "x86",
  8: "MIPS",
  20: "PowerPC",
  21: "PowerPC64",
  22: "s390",
  40: "ARM",
  43: "SPARC64",
  62: "x86-64",
  183: "ARM64",
  243: "RISC-V",
  247: "BPF",
  258: "LoongArch",
};

const ELF_KINDS: Readonly<Record<number, string>> = {
  1: "object file",
  2: "executable",
  3: "shared library",
  4: "core dump",
};

/** OS ABIs other than Linux (System V gABI, EI_OSABI). */
const FOREIGN_ABIS: Readonly<Record<number, string>> = {
  2: "NetBSD",
  6: "Solaris",
  9: "FreeBSD",
  12: "OpenBSD",
};

const MAGICS: readonly (readonly [magic: string, description: string])[] = [
  ["#!", "a script"],
  ["MZ", "a Windows executable"],
  ["!<arch>\n", "a static library"],
  ["\0asm", "a WebAssembly module"],
  ["PK\x03\x04", "a zip archive"],
  ["\x1f\x8b", "a gzip file"],
  ["\xfe\xed\xfa\xce", "a macOS file"],
  ["\xfe\xed\xfa\xcf", "a macOS file"],
  ["\xce\xfa\xed\xfe", "a macOS file"],
  ["\xcf\xfa\xed\xfe", "a macOS file"],
  ["\xca\xfe\xba\xbe", "a macOS universal file or a Java class"],
  ["version https://git-lfs", "a Git LFS pointer, not the file itself"],
];

/**
 * @param head the first 64 bytes of the file, fewer if it is shorter
 * @returns a noun phrase: "a 32-bit ARM executable", "a Windows executable", "not an ELF file"
 */
export function describeBinary(head: Uint8Array): string {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (bytes.length === 0) return "empty";
  const text = bytes.toString("latin1");
  if (text.startsWith("\x7fELF") && bytes.length >= 20) return describeElf(bytes);
  return MAGICS.find(([magic]) => text.startsWith(magic))?.[1] ?? "not an ELF file";
}

function describeElf(bytes: Buffer): string {
  const isBigEndian = bytes[5] === 2;
  const half = (at: number) => (isBigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at));
  const words = [
    bytes[4] === 1 ? "32-bit" : bytes[4] === 2 ? "64-bit" : "malformed",
    ...(isBigEndian ? ["big-endian"] : []),
    ...(FOREIGN_ABIS[bytes[7] ?? 0] ? [FOREIGN_ABIS[bytes[7] ?? 0]] : []),
    MACHINES[half(18)] ?? `ELF (machine ${half(18)})`,
    ELF_KINDS[half(16)] ?? "file",
  ];
  return `a ${words.join(" ")}`;
}
