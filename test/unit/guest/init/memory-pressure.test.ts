import { mkdir, readFile, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { preventThrashing } from "../../../../guest/init/memory-pressure.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("memory pressure");

test("the kernel is told to keep a working set", async () => {
  await using sys = await temporaryFolder();
  await mkdir(sys.file("kernel/mm/lru_gen"), { recursive: true });
  await writeFile(sys.file("kernel/mm/lru_gen/enabled"), "");
  await writeFile(sys.file("kernel/mm/lru_gen/min_ttl_ms"), "");
  assert.is(preventThrashing(sys.path), true);
  assert.is(await readFile(sys.file("kernel/mm/lru_gen/enabled"), "utf8"), "y");
  assert.is(await readFile(sys.file("kernel/mm/lru_gen/min_ttl_ms"), "utf8"), "1000");
});

test("a kernel without it is left alone", async () => {
  await using sys = await temporaryFolder();
  assert.is(preventThrashing(sys.path), false);
});

test.run();
