import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import {
  changedSource,
  changeSource,
  SOURCE_CHANGES,
} from "../../../../image-builder/kernels/kernel-source-changes.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("kernel source changes");

const CHANGE = { file: "a.c", after: "int a;", insert: "int b;\n" };

test("text is put behind the line", () => {
  assert.is(changedSource("x\nint a;\ny\n", CHANGE), "x\nint a;\nint b;\ny\n");
  assert.is(changedSource("int a;\n", CHANGE), "int a;\nint b;\n");
});

test("a source without the line, or with two, is refused", () => {
  for (const [text, words] of [
    ["int a; /* moved */\n", "has no line"],
    ["int a;\nx\nint a;\n", "has more than one line"],
  ] as const) {
    assert.throws(
      () => changedSource(text, CHANGE),
      (error: unknown) =>
        error instanceof ImageError &&
        error.code === "WL_IMAGE_KERNEL_UNAVAILABLE" &&
        error.message.includes(`"a.c" ${words} "int a;"`),
    );
  }
});

test("all changes are made in a tree", async () => {
  await using folder = await temporaryFolder();
  for (const { file, after } of SOURCE_CHANGES) {
    await mkdir(dirname(folder.file(file)), { recursive: true });
    await writeFile(folder.file(file), `${after}\nend\n`);
  }
  await changeSource(folder.path);
  for (const { file, insert } of SOURCE_CHANGES) {
    const text = await readFile(folder.file(file), "utf8");
    assert.ok(text.includes(insert));
    assert.ok(text.endsWith("end\n"));
  }
});

test.run();
