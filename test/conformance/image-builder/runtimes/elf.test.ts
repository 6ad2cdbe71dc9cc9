/** Our ELF reader, library search and stripping against readelf, ldd and strip. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { classifyBinary } from "../../../../image-builder/runtimes/binary-kind.ts";
import { readElfFile } from "../../../../image-builder/runtimes/elf.ts";
import {
  planStripFile,
  stripElf,
  writeStripped,
} from "../../../../image-builder/runtimes/elf-strip.ts";
import { parseLdCache } from "../../../../image-builder/runtimes/ld-cache.ts";
import { libraryClosure } from "../../../../image-builder/runtimes/library-closure.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("elf (binutils and ldd as oracles)", { timeoutMs: 120_000 });

/** Some programs and libraries of this machine, and the Node under test. */
const BINARIES_PER_FOLDER = 40;
const binaries = [
  process.execPath,
  ...["/usr/bin", "/usr/lib/x86_64-linux-gnu"].flatMap((folder) =>
    existsSync(folder)
      ? readdirSync(folder, { withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(folder, entry.name))
          .sort()
          .filter((_path, index, all) => index % Math.ceil(all.length / 120) === 0)
      : [],
  ),
];

function run(program: string, ...args: string[]): string {
  const options = {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    env: { PATH: process.env["PATH"] },
  } as const;
  return execFileSync(program, args, { ...options, stdio: ["ignore", "pipe", "ignore"] });
}

function isInstalled(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

/** A test that needs a program of the host. */
function testWith(program: string, name: string, body: () => Promise<void>): void {
  if (isInstalled(program)) test(name, body);
  else test.skip(`${program} is not installed`, name);
}

async function elfBinaries(): Promise<string[]> {
  const found: string[] = [];
  for (const path of binaries) {
    const kind = await classifyBinary(path).catch((error: unknown) => {
      if (error instanceof ImageError) return "other";
      throw error;
    });
    if (kind.startsWith("elf-")) found.push(path);
    if (found.length >= 2 * BINARIES_PER_FOLDER) break;
  }
  assert.ok(found.length > 10, `only ${found.length} ELF files found`);
  return found;
}

testWith("readelf", "reads the same needs, names, paths and versions as readelf", async () => {
  for (const path of await elfBinaries()) {
    const elf = await readElfFile(path);
    const dynamic = run("readelf", "-dlVW", path);
    const all = (pattern: RegExp) => [...dynamic.matchAll(pattern)].map((match) => match[1] ?? "");
    assert.equal(elf.needed, all(/\(NEEDED\).*\[(.*)\]/g), path);
    assert.equal([elf.soname ?? []].flat(), all(/\(SONAME\).*\[(.*)\]/g), path);
    assert.equal(
      elf.runpath ?? [],
      all(/\(RUNPATH\).*\[(.*)\]/g).flatMap((p) => p.split(":")),
      path,
    );
    assert.equal(
      elf.rpath ?? [],
      all(/\(RPATH\).*\[(.*)\]/g).flatMap((p) => p.split(":")),
      path,
    );
    assert.equal([elf.interpreter ?? []].flat(), all(/program interpreter: (.*)\]/g), path);
    assert.is(elf.isPie, /\(FLAGS_1\).*\bPIE\b/.test(dynamic), path);

    const needs = dynamic.split("Version needs section").at(1) ?? "";
    const versions = [...needs.matchAll(/Name: (\S+)\s+Flags: (\S+)/g)]
      .filter((match) => match[2] !== "WEAK")
      .map((match) => match[1]);
    assert.equal(elf.versionsNeeded.flatMap((need) => need.versions).sort(), versions.sort(), path);
  }
});

testWith("ldd", "finds the same files as the dynamic linker", async () => {
  for (const path of await elfBinaries()) {
    const { interpreter, needed } = await readElfFile(path);
    if (interpreter === undefined && needed.length === 0) continue; // ldd refuses a static program
    const listing = run("ldd", path);
    if (listing.includes("not found") || listing.includes("statically linked")) continue;
    const expected = new Set<string>();
    for (const [, name, found] of listing.matchAll(/^\s*(\S+) => (\S+) \(/gm)) {
      if (name && found && !name.includes("ld-linux")) expected.add(await realpath(found));
    }
    const { libraries } = await libraryClosure([path]);
    assert.equal(libraries.map((library) => library.hostPath).sort(), [...expected].sort(), path);
  }
});

testWith("ldconfig", "reads the dynamic linker's cache as ldconfig prints it", async () => {
  const bytes = await readFile("/etc/ld.so.cache");
  const expected = new Map<string, string>();
  for (const [, name, flags, path] of run("ldconfig", "-p").matchAll(
    /^\t(\S+) \((.*)\) => (.*)$/gm,
  )) {
    if (!name || !path || flags !== "libc6,x86-64" || expected.has(name)) continue;
    expected.set(name, path);
  }
  assert.equal([...(parseLdCache(bytes) ?? [])].sort(), [...expected].sort());
});

test("a stripped Node keeps every loaded byte, and runs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "strip-"));
  try {
    const original = await readFile(process.execPath);
    const stripped = stripElf(original);
    const ours = join(folder, "node");
    await writeFile(ours, stripped, { mode: 0o755 });
    assert.is(run(ours, "-p", "6 * 7").trim(), "42");

    const byFile = join(folder, "by-file");
    await writeStripped(process.execPath, byFile, await planStripFile(process.execPath));
    assert.is(Buffer.compare(await readFile(byFile), stripped), 0);

    assertSameSegments(original, stripped);
    if (!isInstalled("strip")) return;
    const theirs = join(folder, "theirs");
    run("strip", "-o", theirs, process.execPath);
    const reference = await readFile(theirs);
    assertSameSegments(reference, stripped);
    // strip also closes the gaps between segments: at most a page each.
    assert.ok(stripped.length - reference.length < 65_536, "about the size that strip leaves");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/**
 * The loaded segments hold the same bytes, wherever in the file; what describes the file itself
 * (section fields and program headers at its start) is left out.
 */
function assertSameSegments(expected: Buffer, actual: Uint8Array): void {
  const [a, b] = [expected, actual].map(loadedSegments);
  assert.ok(a && a.length > 1);
  assert.is(a?.length, b?.length);
  a?.forEach((segment, index) => {
    assert.is(Buffer.compare(segment, b?.[index] ?? Buffer.alloc(0)), 0, `segment ${index}`);
  });
}

function loadedSegments(file: Uint8Array): Buffer[] {
  const bytes = Buffer.from(file);
  const segments: Buffer[] = [];
  const count = bytes.readUInt16LE(56);
  for (let at = 64; at < 64 + count * 56; at += 56) {
    if (bytes.readUInt32LE(at) !== 1) continue;
    const start = Number(bytes.readBigUInt64LE(at + 8));
    segments.push(bytes.subarray(start, start + Number(bytes.readBigUInt64LE(at + 32))));
  }
  bytes.fill(0, 0, 64 + count * 56);
  return segments;
}

test.run();
