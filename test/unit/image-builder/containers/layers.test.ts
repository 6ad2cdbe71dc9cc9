import { readdir } from "node:fs/promises";
import * as zlib from "node:zlib";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { unpackContainer } from "../../../../image-builder/containers/unpack.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { readContentWhole } from "../../../../image-builder/filesystems/file-content.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import {
  applied,
  appliedMembers,
  archiveOf,
  type FixtureMember,
  layerOf,
  NO_CONFIG,
} from "./layer-fixture.ts";
import { containerRefusal as refusal } from "./layout-fixture.ts";

const test = suite("layers");

const folder = (name: string): FixtureMember => ({ name, type: "directory", mode: 0o755 });

test("whiteouts and opaque folders hide what is below, and nothing of their own layer", async () => {
  const { entries } = await appliedMembers(
    [{ name: "a/x" }, { name: "a/y" }, { name: "b/deep/z" }, { name: "b/w" }],
    [
      { name: "a/.wh.x" },
      { name: "b/new" },
      { name: "b/.wh..wh..opq" },
      { name: "c" },
      { name: ".wh.c" },
    ],
  );
  const paths = [...entries.keys()].filter((path) => !path.startsWith("/sbin"));
  assert.equal(paths, ["/", "/a", "/a/y", "/b", "/b/new", "/c"]);
});

test("owner, mode with setuid, long names and hard links are kept", async () => {
  const long = `${"d".repeat(120)}/${"f".repeat(200)}`;
  const { entries } = await appliedMembers([
    { name: "su", mode: 0o4755, uid: 70_000, gid: 7, text: "program" },
    { name: long, text: "far" },
    { name: "link", type: "link", linkname: "su" },
  ]);
  const first = entries.get("/link");
  assert.ok(first?.kind === "file");
  assert.equal([first.mode, first.owner], [0o4755, { uid: 70_000, gid: 7 }]);
  assert.equal(entries.get("/su"), { kind: "link", path: "/su", target: "/link" });
  assert.ok(entries.has(`/${long}`));
});

test("names below a link go where it leads in the root, never out of it", async () => {
  const { entries } = await appliedMembers(
    [folder("usr/lib"), { name: "lib", type: "symlink", linkname: "../../../usr/lib" }],
    [{ name: "lib/so", text: "1" }],
  );
  assert.is(entries.get("/usr/lib/so")?.kind, "file");
  assert.is(entries.get("/lib")?.kind, "symlink");
});

test("the root has the owner and mode of its entry, also by the name that umoci gives it", async () => {
  const facts = { mode: 0o711, uid: 3, gid: 4 };
  for (const name of ["./", "/"]) {
    const { entries } = await appliedMembers([{ ...folder(name), ...facts }]);
    const root = entries.get("/");
    assert.ok(root?.kind === "directory");
    assert.equal([root.mode, root.owner], [0o711, { uid: 3, gid: 4 }]);
  }
});

test("later entries replace earlier ones; a folder stays with what is in it", async () => {
  const { entries } = await appliedMembers(
    [{ name: "d/x" }, { name: "f" }],
    [
      { ...folder("d"), mode: 0o700 },
      { name: "f", type: "symlink", linkname: "d" },
    ],
  );
  assert.is(entries.get("/d/x")?.kind, "file");
  const changed = entries.get("/d");
  assert.ok(changed?.kind === "directory" && changed.mode === 0o700);
  assert.is(entries.get("/f")?.kind, "symlink");
});

test("a name that comes twice in a layer is the last; links to the first keep it", async () => {
  await using folder = await temporaryFolder();
  const archive = await archiveOf([
    { name: "f", text: "first" },
    { name: "l", type: "link", linkname: "f" },
    { name: "f", text: "second" },
    { name: "d/x" },
    { name: "d", type: "symlink", linkname: "f" },
  ]);
  const container = { layers: [layerOf(archive)], config: NO_CONFIG };
  const { entries } = await unpackContainer(container, { folder: folder.path });
  const content = async (path: string): Promise<string> => {
    const entry = entries.find((one) => one.path === path);
    assert.ok(entry?.kind === "file", path);
    return Buffer.from(await readContentWhole(entry)).toString("utf8");
  };
  assert.equal([await content("/f"), await content("/l")], ["second", "first"]);
  assert.is(entries.find(({ path }) => path === "/d")?.kind, "symlink");
  assert.not(entries.some(({ path }) => path === "/d/x"));
});

test("nothing is written but the content, whatever links say", async () => {
  await using folder = await temporaryFolder();
  const escapes: FixtureMember[] = [
    { name: "up", type: "symlink", linkname: "../../../../../.." },
    { name: `up${folder.path}/escaped`, text: "x" },
    { name: "out", type: "symlink", linkname: folder.path },
    { name: "out/escaped-too", text: "x" },
    { name: "fd", type: "symlink", linkname: "/proc/self/cwd" },
    { name: "fd/escaped-again", text: "x" },
    { name: "pipe", type: "fifo" },
  ];
  const container = { layers: [layerOf(await archiveOf(escapes))], config: NO_CONFIG };
  const { entries } = await unpackContainer(container, { folder: folder.path });
  assert.equal(await readdir(folder.path), ["layer-0"]);
  const paths = entries.map(({ path }) => path);
  for (const inside of [
    `${folder.path}/escaped`,
    `${folder.path}/escaped-too`,
    "/proc/self/cwd/escaped-again",
  ]) {
    assert.ok(paths.includes(inside), inside);
  }
  assert.not(paths.includes("/pipe"));
});

test("devices and attributes are left out with a warning", async () => {
  const { entries, warnings } = await appliedMembers([
    { name: "null", type: "character-device" },
    { name: "ping", text: "p", pax: { "SCHILY.xattr.security.capability": "x" } },
  ]);
  assert.not(entries.has("/null"));
  assert.match(warnings[0] ?? "", /device/);
  assert.match(warnings[1] ?? "", /security\.capability/);
});

test("paths out of the root, loops and links to nothing are refused", async () => {
  assert.match(await refusal(appliedMembers([{ name: "/etc/x" }])), /absolute/);
  assert.match(await refusal(appliedMembers([{ name: "a/../../x" }])), /leads out/);
  const out = { name: "l", type: "link", linkname: "../etc/passwd" } as const;
  assert.match(await refusal(appliedMembers([out])), /leads out/);
  const none = { name: "l", type: "link", linkname: "none" } as const;
  assert.match(await refusal(appliedMembers([none])), /not there/);
  const loop = [
    { name: "a", type: "symlink", linkname: "b" },
    { name: "b", type: "symlink", linkname: "a" },
    { name: "a/x" },
  ] as const;
  assert.match(await refusal(appliedMembers(loop)), /circle/);
  assert.match(await refusal(appliedMembers([{ name: "a" }, { name: "a/b" }])), /no folder/);
  const deep = { name: "d/".repeat(10_000), type: "directory" } as const;
  assert.match(await refusal(appliedMembers([deep])), /4095 bytes/);
});

test("wrong digests, sizes and bombs are refused", async () => {
  const archive = await archiveOf([{ name: "zeros", text: "0".repeat(1_000_000) }]);
  const zeros = `sha256:${"0".repeat(64)}` as const;
  assert.match(await refusal(applied([layerOf(archive, { diffId: zeros })])), /digest/);
  assert.match(await refusal(applied([layerOf(archive, { digest: zeros })])), /digest/);
  const short = layerOf(archive, { sizeBytes: archive.length - 1 });
  assert.match(await refusal(applied([short])), /cut off|bytes/);
  const bomb = layerOf(zlib.gzipSync(archive), { diffId: layerOf(archive).diffId });
  assert.match(await refusal(applied([bomb], 500_000)), /larger/);
  assert.ok((await applied([bomb])).entries.has("/zeros"));
  const torn = zlib.gzipSync(archive).subarray(0, 500);
  assert.match(await refusal(applied([layerOf(torn)])), /unpacked|cut off/);
});

test("an archive may end behind its last content, without padding, and nowhere before", async () => {
  const archive = await archiveOf([{ name: "f", text: "content" }]);
  const at = 512 + "content".length;
  for (const end of [at, at + 100, 1024, 1024 + 512]) {
    const { entries } = await applied([layerOf(archive.subarray(0, end))]);
    assert.is(entries.get("/f")?.kind, "file", String(end));
  }
  for (const end of [at - 1, 511, 100]) {
    const cut = applied([layerOf(archive.subarray(0, end))]);
    assert.match(await refusal(cut), /cut off/, String(end));
  }
});

test("zstd is unpacked and bounded where Node has it, and refused in words where not", async () => {
  const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer };
  const archive = await archiveOf([{ name: "zeros", text: "0".repeat(1_000_000) }]);
  const { diffId } = layerOf(archive);
  if (zstdCompressSync) {
    const packed = layerOf(zstdCompressSync(archive), { diffId, compression: "zstd" });
    assert.ok((await applied([packed])).entries.has("/zeros"));
    assert.match(await refusal(applied([packed], 500_000)), /larger/);
  } else {
    const frame = layerOf(Buffer.from("28b52ffd", "hex"));
    assert.match(await refusal(applied([frame])), /which Node .* cannot unpack/);
  }
  const torn = layerOf(archive, { compression: "gzip" });
  assert.match(await refusal(applied([torn])), /cannot be unpacked/);
});

test("whatever the bytes, there is a tree or a typed error", async () => {
  const good = await archiveOf([
    folder("d"),
    { name: "d/f", text: "content" },
    { name: "l", type: "link", linkname: "d/f" },
    { name: "p".repeat(150), text: "x" },
  ]);
  const spot = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(spot, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      async (spots, fix) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of spots) bytes[at] = value;
        if (fix)
          for (let at = 0; at < bytes.length; at += 512) mendChecksum(bytes.subarray(at, at + 512));
        await applied([layerOf(bytes)]).catch((error: unknown) =>
          assert.instance(error, ImageError),
        );
      },
    ),
    { numRuns: 25 },
  );
});

/** So that a changed field gets past the checksum. */
function mendChecksum(block: Buffer): void {
  if (block.toString("latin1", 257, 262) !== "ustar") return;
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}

test.run();
