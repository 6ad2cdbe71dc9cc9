import { execFileSync } from "node:child_process";
import { truncate, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { TraceBuilder } from "../../../../allocator-model/trace.ts";
import { encodeTrace } from "../../../../allocator-model/trace-file.ts";
import { readTraceInput } from "../../../../host-tools/cli/trace-input.ts";
import { HostError } from "../../../../host-tools/errors.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("cli/trace-input");

async function refusal(operand: string): Promise<HostError> {
  const error = await readTraceInput(operand).then(
    () => assert.unreachable("it was read"),
    (caught) => caught,
  );
  assert.instance(error, HostError);
  return error as HostError;
}

test("reads a file, and makes a workload", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("one.wlat");
  const builder = new TraceBuilder();
  builder.malloc(0, 10);
  await writeFile(path, encodeTrace(builder.build("one.wlat")));
  assert.equal((await readTraceInput(path)).trace, builder.build("one.wlat"));
  assert.is((await readTraceInput("workload:page-cache")).trace.name, "page-cache");
});

test("an unknown workload is refused, also by the name of what every object has", async () => {
  for (const name of ["lars", "", "toString"]) {
    const error = await refusal(`workload:${name}`);
    assert.is(error.code, "WL_USAGE");
    assert.is(error.message, `There is no workload "${name}"`);
  }
});

test("a file that is too large is refused before it is read", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("huge");
  await writeFile(path, "");
  await truncate(path, 2 ** 40);
  assert.match((await refusal(path)).message, "has 1.0 TiB, more than 256.0 MiB");
});

test("a device or a pipe without end is read to the limit", async () => {
  assert.is((await refusal("/dev/zero")).message, '"/dev/zero" has more than 256.0 MiB');
});

test("a pipe is read to its end", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("pipe");
  execFileSync("mkfifo", [path]);
  const text = "malloc(24) = 0x10\nfree(0x10) = <void>\n".repeat(50_000);
  const [{ trace, losses }] = await Promise.all([readTraceInput(path), writeFile(path, text)]);
  assert.is(trace.length, 100_000);
  assert.is(losses.skippedLines, 0);
});

test("what cannot be read is named, with the reason", async () => {
  await using folder = await temporaryFolder();
  const missing = await refusal(folder.file("missing"));
  assert.is(missing.code, "WL_HOST_IO");
  assert.is(missing.message, `Cannot read "${folder.file("missing")}": it is not there`);
  assert.match(missing.facts.next ?? "", "Give the path of a trace");
  const directory = await refusal(folder.path);
  assert.is(directory.message, `Cannot read "${folder.path}": it is a folder`);
});

test.run();
