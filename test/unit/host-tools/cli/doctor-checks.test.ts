import { chmod, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { isHealthy, nodeCheck, runChecks } from "../../../../host-tools/cli/doctor-checks.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("cli/doctor-checks");

test("asks for Node 20", () => {
  assert.is(nodeCheck("20.0.0").status, "ok");
  assert.is(nodeCheck("18.19.0").status, "fail");
});

test("every failure has a reason and a remedy", async ({ signal }) => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("file"), "");
  const folders = {
    data: folder.file("file/data"),
    cache: folder.file("cache"),
    runtime: folder.file(`${"long-".repeat(30)}path`),
  };
  const checks = await runChecks(folders, { searchPath: folder.path, signal });
  const byName = new Map(checks.map((check) => [check.name, check]));
  for (const name of ["QEMU", "flock", "setpriv", "data folder", "socket folder"]) {
    assert.is(byName.get(name)?.status, "fail", name);
  }
  assert.is(byName.get("cache folder")?.status, "ok");
  assert.is(byName.get("npm")?.status, "warn");
  for (const { name, status, reason, remedy } of checks) {
    assert.ok(reason.length > 0, name);
    if (status === "fail") assert.ok(remedy, name);
  }
  assert.not(isHealthy(checks));
  assert.ok(isHealthy(checks.filter(({ status }) => status !== "fail")));
});

test("finds programs and doubts a QEMU that says nothing sensible", async ({ signal }) => {
  await using folder = await temporaryFolder();
  for (const name of ["flock", "qemu-system-x86_64"]) {
    await writeFile(folder.file(name), "#!/bin/sh\necho nonsense\n");
    await chmod(folder.file(name), 0o755);
  }
  const folders = { data: folder.file("d"), cache: folder.file("c"), runtime: folder.file("r") };
  const checks = await runChecks(folders, { searchPath: folder.path, signal });
  assert.is(checks.find(({ name }) => name === "flock")?.status, "ok");
  assert.match(checks.find(({ name }) => name === "QEMU")?.reason ?? "", "nonsense");
});

test.run();
