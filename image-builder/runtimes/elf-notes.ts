/**
 * Notes of an ELF file (System V gABI, "Note Section"), and the one that says which libraries a file
 * opens while it runs: owner "FDO", type 0x407c0c0a, a list in JSON (systemd's ELF_DLOPEN_METADATA).
 *
 *   0 4 bytes of the owner    4 4 bytes of the content    8 4 type    then both, padded
 */

/** Libraries that a file opens by name; the first that is there will do. */
export interface DlopenNote {
  readonly sonames: readonly string[];
  /** Without a required one the file is of no use; without a suggested one it lacks little. */
  readonly priority: "required" | "recommended" | "suggested";
  /** What it is for, as the file says. */
  readonly feature: string | undefined;
}

const OWNER = "FDO\0";
const DLOPEN_TYPE = 0x407c0c0a;
const HEADER_BYTES = 12;
/** Far more than a program has; the rest is not looked at. */
const MAX_SONAMES = 256;

/**
 * What is malformed is passed over: the file runs without its notes.
 *
 * @param segment the bytes of a PT_NOTE segment
 * @param alignment its p_align, which is what owner and content are padded to: 8, else 4
 */
export function dlopenNotes(segment: Uint8Array, alignment: number): DlopenNote[] {
  const bytes = Buffer.from(segment.buffer, segment.byteOffset, segment.byteLength);
  const padded = (size: number) =>
    Math.ceil(size / (alignment === 8 ? 8 : 4)) * (alignment === 8 ? 8 : 4);
  const notes: DlopenNote[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const ownerBytes = bytes.readUInt32LE(at);
    const contentBytes = bytes.readUInt32LE(at + 4);
    const content = at + padded(HEADER_BYTES + ownerBytes);
    const end = content + contentBytes;
    if (end > bytes.length) break;
    const isOurs =
      bytes.readUInt32LE(at + 8) === DLOPEN_TYPE &&
      bytes.toString("latin1", at + HEADER_BYTES, at + HEADER_BYTES + ownerBytes) === OWNER;
    if (isOurs) notes.push(...parseNotes(bytes.toString("utf8", content, end)));
    at = content + padded(contentBytes);
  }
  return notes.slice(0, MAX_SONAMES);
}

function parseNotes(text: string): DlopenNote[] {
  let list: unknown;
  try {
    list = JSON.parse(text.replace(/\0+$/, ""));
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown): DlopenNote[] => {
    if (typeof item !== "object" || item === null) return [];
    const { soname, priority, feature } = item as Readonly<Record<string, unknown>>;
    const sonames = (Array.isArray(soname) ? soname : [soname])
      .filter(isSoname)
      .slice(0, MAX_SONAMES);
    if (sonames.length === 0) return [];
    return [
      {
        sonames,
        // "recommended" is what a note without a priority means.
        priority: priority === "required" || priority === "suggested" ? priority : "recommended",
        feature: typeof feature === "string" ? feature : undefined,
      },
    ];
  });
}

function isSoname(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length < 256 && !/[\0/]/.test(value);
}
