/**
 * Symbol versions of an ELF file, in the layout of the Linux Standard Base, part "Symbol Versioning".
 *
 *   needed (16 bytes)      its versions (16)     defined (20 bytes)     its names (8)
 *   2  2 number            4  2 flags            2  2 flags             0  4 name
 *   4  4 library name      8  4 name             6  2 number of names   4  4 next
 *   8  4 first version     12 4 next             12 4 first name
 *   12 4 next                                    16 4 next
 *
 * "next" and "first" are distances in bytes from the record they stand in; 0 ends a chain.
 */
/** What the parts of an ELF file are read through: bounded reads by address in the program's memory. */
export interface ElfMemory {
  /** @throws {ImageError} when the range is not loaded from the file */
  bytesAt(address: bigint, lengthBytes: number): Promise<DataView>;
  /** A zero-terminated string of the dynamic string table. */
  stringAt(offset: number): Promise<string>;
  /** The error for what the file does wrong. */
  malformed(why: string): Error;
}

export interface VersionsNeeded {
  readonly library: string;
  readonly versions: readonly string[];
}

/** A weak version may be missing: the dynamic linker only warns (glibc elf/dl-version.c). */
const VER_FLG_WEAK = 2;
/** The entry that names the library itself instead of a version. */
const VER_FLG_BASE = 1;

/** glibc's own libraries define about 40, libstdc++ about 70. */
const RECORDS_MAX = 4096;

/** @throws {ImageError} when the table is malformed */
export async function readVersionsNeeded(
  memory: ElfMemory,
  address: bigint | undefined,
  count: bigint | undefined,
): Promise<VersionsNeeded[]> {
  const budget = recordBudget(memory);
  const needed: VersionsNeeded[] = [];
  for await (const { at, view } of chain(memory, address, count, 16, 12, budget)) {
    const versions: string[] = [];
    const first = at + BigInt(view.getUint32(8, true));
    const number = BigInt(view.getUint16(2, true));
    for await (const { view: version } of chain(memory, first, number, 16, 12, budget)) {
      if ((version.getUint16(4, true) & VER_FLG_WEAK) !== 0) continue;
      versions.push(await memory.stringAt(version.getUint32(8, true)));
    }
    needed.push({ library: await memory.stringAt(view.getUint32(4, true)), versions });
  }
  return needed;
}

/** @throws {ImageError} when the table is malformed */
export async function readVersionsDefined(
  memory: ElfMemory,
  address: bigint | undefined,
  count: bigint | undefined,
): Promise<string[]> {
  const defined: string[] = [];
  for await (const { at, view } of chain(memory, address, count, 20, 16, recordBudget(memory))) {
    if ((view.getUint16(2, true) & VER_FLG_BASE) !== 0) continue;
    const name = await memory.bytesAt(at + BigInt(view.getUint32(12, true)), 8);
    defined.push(await memory.stringAt(name.getUint32(0, true)));
  }
  return defined;
}

async function* chain(
  memory: ElfMemory,
  address: bigint | undefined,
  count: bigint | undefined,
  recordBytes: number,
  nextField: number,
  spend: () => void,
): AsyncGenerator<{ at: bigint; view: DataView }> {
  if (address === undefined || count === undefined) return;
  let at = address;
  for (let index = 0n; index < count; index += 1n) {
    spend();
    const view = await memory.bytesAt(at, recordBytes);
    yield { at, view };
    const next = view.getUint32(nextField, true);
    if (next === 0) return;
    at += BigInt(next);
  }
}

/** One allowance for a whole table, so that nested counts cannot multiply. */
function recordBudget(memory: ElfMemory): () => void {
  let left = RECORDS_MAX;
  return () => {
    if (left === 0) throw memory.malformed("it has too many symbol versions");
    left -= 1;
  };
}
