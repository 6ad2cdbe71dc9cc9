/** Small, well-formed ELF files made to order, so that tests need neither a compiler nor binaries. */

export interface ElfFixture {
  /** Default 3, ET_DYN. */
  readonly type?: number;
  /** Default 62, x86-64. */
  readonly machine?: number;
  readonly interpreter?: string;
  readonly soname?: string;
  readonly needed?: readonly string[];
  readonly rpath?: string;
  readonly runpath?: string;
  readonly isPie?: boolean;
  readonly versionsNeeded?: readonly { library: string; versions: readonly string[] }[];
  readonly versionsDefined?: readonly string[];
  /** Content of a note segment; see {@link dlopenNote}. */
  readonly notes?: Uint8Array;
  /** How many segments show these notes. Default 1. */
  readonly noteSegments?: number;
  /** Bytes behind the loaded segment, as symbol tables are. */
  readonly unloaded?: Uint8Array;
}

const BASE = 0x400000;

export function buildElf(fixture: ElfFixture = {}): Buffer {
  const strings = stringTable();
  const entries: (readonly [tag: number, value: number])[] = [];
  for (const name of fixture.needed ?? []) entries.push([1, strings.add(name)]);
  if (fixture.soname !== undefined) entries.push([14, strings.add(fixture.soname)]);
  if (fixture.rpath !== undefined) entries.push([15, strings.add(fixture.rpath)]);
  if (fixture.runpath !== undefined) entries.push([29, strings.add(fixture.runpath)]);
  if (fixture.isPie) entries.push([0x6ffffffb, 0x08000000]);
  const needed = versionsNeeded(fixture.versionsNeeded ?? [], strings.add);
  const defined = versionsDefined(fixture.versionsDefined ?? [], strings.add);
  const text = strings.bytes();
  const interpreter = Buffer.from(
    fixture.interpreter === undefined ? "" : `${fixture.interpreter}\0`,
  );

  const notes = fixture.notes ?? new Uint8Array();
  const noteSegments = fixture.notes === undefined ? 0 : (fixture.noteSegments ?? 1);
  const segmentCount = 2 + (interpreter.length > 0 ? 1 : 0) + noteSegments;
  const interpreterAt = 64 + 56 * segmentCount;
  const textAt = interpreterAt + interpreter.length;
  const neededAt = textAt + text.length;
  const definedAt = neededAt + needed.length;
  const notesAt = definedAt + defined.length;
  const dynamicAt = notesAt + notes.length;
  entries.push([5, BASE + textAt]);
  if (needed.length > 0) {
    entries.push([0x6ffffffe, BASE + neededAt]);
    entries.push([0x6fffffff, fixture.versionsNeeded?.length ?? 0]);
  }
  if (defined.length > 0) {
    entries.push([0x6ffffffc, BASE + definedAt]);
    entries.push([0x6ffffffd, fixture.versionsDefined?.length ?? 0]);
  }
  entries.push([0, 0]);
  const dynamic = Buffer.alloc(entries.length * 16);
  entries.forEach(([tag, value], index) => {
    dynamic.writeBigUInt64LE(BigInt(tag), index * 16);
    dynamic.writeBigUInt64LE(BigInt(value), index * 16 + 8);
  });
  const end = dynamicAt + dynamic.length;
  const unloaded = fixture.unloaded ?? new Uint8Array();

  return Buffer.concat([
    header(fixture, segmentCount, end, unloaded.length),
    segment(1, 0, end),
    segment(2, dynamicAt, dynamic.length),
    ...(interpreter.length > 0 ? [segment(3, interpreterAt, interpreter.length)] : []),
    ...Array.from({ length: noteSegments }, () => segment(4, notesAt, notes.length)),
    interpreter,
    text,
    needed,
    defined,
    notes,
    dynamic,
    unloaded,
    ...(unloaded.length > 0 ? [section(end, unloaded.length)] : []),
  ]);
}

/** A note as systemd's ELF_DLOPEN_METADATA has it. */
export function dlopenNote(json: string, owner = "FDO\0", type = 0x407c0c0a): Buffer {
  const content = Buffer.alloc(Math.ceil((json.length + 1) / 4) * 4);
  content.write(json);
  const start = Buffer.alloc(12);
  [owner.length, json.length + 1, type].forEach((value, index) => {
    start.writeUInt32LE(value, index * 4);
  });
  return Buffer.concat([start, Buffer.from(owner), content]);
}

function header(fixture: ElfFixture, segments: number, end: number, unloaded: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.write("\x7fELF\x02\x01\x01", "latin1");
  bytes.writeUInt16LE(fixture.type ?? 3, 16);
  bytes.writeUInt16LE(fixture.machine ?? 62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(segments, 56);
  bytes.writeUInt16LE(64, 58);
  if (unloaded > 0) {
    bytes.writeBigUInt64LE(BigInt(end + unloaded), 40);
    bytes.writeUInt16LE(1, 60);
  }
  return bytes;
}

function segment(type: number, offset: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(56);
  bytes.writeUInt32LE(type, 0);
  bytes.writeBigUInt64LE(BigInt(offset), 8);
  bytes.writeBigUInt64LE(BigInt(BASE + offset), 16);
  bytes.writeBigUInt64LE(BigInt(sizeBytes), 32);
  bytes.writeBigUInt64LE(BigInt(sizeBytes), 40);
  return bytes;
}

function section(offset: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(1, 4);
  bytes.writeBigUInt64LE(BigInt(offset), 24);
  bytes.writeBigUInt64LE(BigInt(sizeBytes), 32);
  return bytes;
}

function versionsNeeded(
  needs: readonly { library: string; versions: readonly string[] }[],
  addString: (text: string) => number,
): Buffer {
  return Buffer.concat(
    needs.flatMap(({ library, versions }, index) => {
      const record = Buffer.alloc(16);
      record.writeUInt16LE(1, 0);
      record.writeUInt16LE(versions.length, 2);
      record.writeUInt32LE(addString(library), 4);
      record.writeUInt32LE(16, 8);
      record.writeUInt32LE(index + 1 < needs.length ? 16 + 16 * versions.length : 0, 12);
      const names = versions.map((version, position) => {
        const name = Buffer.alloc(16);
        name.writeUInt32LE(addString(version), 8);
        name.writeUInt32LE(position + 1 < versions.length ? 16 : 0, 12);
        return name;
      });
      return [record, ...names];
    }),
  );
}

function versionsDefined(versions: readonly string[], addString: (text: string) => number): Buffer {
  return Buffer.concat(
    versions.map((version, index) => {
      const record = Buffer.alloc(28);
      record.writeUInt16LE(1, 0);
      record.writeUInt16LE(1, 6);
      record.writeUInt32LE(20, 12);
      record.writeUInt32LE(index + 1 < versions.length ? 28 : 0, 16);
      record.writeUInt32LE(addString(version), 20);
      return record;
    }),
  );
}

function stringTable(): { add: (text: string) => number; bytes: () => Buffer } {
  let table = Buffer.from([0]);
  return {
    add: (text) => {
      const offset = table.length;
      table = Buffer.concat([table, Buffer.from(`${text}\0`)]);
      return offset;
    },
    bytes: () => table,
  };
}
