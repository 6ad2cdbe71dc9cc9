/** What a root takes of hostile layers: bounded in memory and in time, and refused in words. */
import * as assert from "uvu/assert";
import { ContainerRoot, type Inode } from "../../../../image-builder/containers/container-root.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("container roots");

const FILE: Inode = {
  ...{ kind: "file" as const, mode: 0o644 },
  source: { kind: "bytes", bytes: new Uint8Array(0) },
};

/** @returns how often it went well, and the error that ended it */
function untilRefused(limit: number, work: (index: number) => void): [number, ImageError] {
  for (let index = 0; index < limit; index += 1) {
    try {
      work(index);
    } catch (error) {
      assert.instance(error, ImageError);
      return [index, error as ImageError];
    }
  }
  throw new Error(`Nothing was refused, ${limit} times`);
}

test("link targets have a budget of bytes", () => {
  const root = new ContainerRoot();
  const target = "t".repeat(4095);
  const [count, error] = untilRefused(70_000, (index) =>
    root.put([`l${index}`], { kind: "symlink", target }),
  );
  assert.ok(count > 65_000, String(count));
  assert.is(error.code, "WL_IMAGE_CONTAINER_INVALID");
  assert.match(error.message, /paths and link targets of the layers have over 268435456 bytes/);
  assert.match(error.facts.next ?? "", /fewer files/);
});

test("paths have the same budget: each name counts with the folders above it", () => {
  const root = new ContainerRoot();
  const deep = Array.from({ length: 15 }, () => "d".repeat(255));
  const [count, error] = untilRefused(80_000, (index) => root.put([...deep, `f${index}`], FILE));
  assert.ok(count > 65_000, String(count));
  assert.match(error.message, /over 268435456 bytes together/);
});

test("so have further names of one file", () => {
  const root = new ContainerRoot();
  root.put(["f"], FILE);
  const deep = Array.from({ length: 15 }, () => "d".repeat(255));
  const [, error] = untilRefused(80_000, (index) => root.putLink([...deep, `f${index}`], ["f"]));
  assert.match(error.message, /over 268435456 bytes together/);
});

test("a name keeps nothing alive of the text it was cut from", () => {
  const root = new ContainerRoot();
  const before = process.memoryUsage().rss;
  for (let index = 0; index < 2000; index += 1) {
    const text = `${"./".repeat(200_000)}${"n".repeat(20)}${index}`;
    const name = text.slice(400_000);
    root.put([name], FILE);
  }
  const grownMib = (process.memoryUsage().rss - before) / 1024 ** 2;
  assert.ok(grownMib < 400, `${Math.round(grownMib)} MiB more`);
});

test("steps along links have a budget for the whole image", () => {
  const root = new ContainerRoot();
  root.putFolder(["end"], { mode: 0o755 });
  for (let index = 0; index < 40; index += 1) {
    const next = index === 39 ? "end" : `l${index + 1}`;
    root.put([`l${index}`], { kind: "symlink", target: `${"./".repeat(2030)}${next}` });
  }
  const [count, error] = untilRefused(1000, (index) => root.put(["l0", `f${index}`], FILE));
  assert.is(count, Math.floor(20_000_000 / (40 * 2031)));
  assert.is(error.code, "WL_IMAGE_CONTAINER_INVALID");
  assert.match(error.message, /links of over 20000000 parts together, as at "l0"/);
  assert.match(error.facts.next ?? "", /shorter targets/);
});

test("what an ordinary image has is far from any bound", () => {
  const root = new ContainerRoot();
  root.putFolder(["usr", "lib"], { mode: 0o755 });
  root.put(["lib"], { kind: "symlink", target: "usr/lib" });
  for (let index = 0; index < 50_000; index += 1) root.put(["lib", `f${index}`], FILE);
  assert.is(root.entries().length, 50_000 + 4);
});

test.run();
