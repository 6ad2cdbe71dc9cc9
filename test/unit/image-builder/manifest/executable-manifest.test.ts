import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { resolve } from "node:path";
import * as assert from "uvu/assert";
import { executableManifest } from "../../../../image-builder/manifest/executable-manifest.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("an executable's manifest");

const argvOf = (file: string) => {
  const { program } = executableManifest(file);
  return program.kind === "command" ? program.argv : [];
};

test("a program of its own is in /app, an installed one where it is", async () => {
  assert.equal(argvOf("/home/ada/server"), ["/app/server"]);
  assert.equal(argvOf("/home/ada/bin/server"), ["/app/server"]);
  assert.equal(argvOf("/usr/bin/python3"), ["/usr/bin/python3"]);
  // A bin beside a lib.
  const installed = resolve(import.meta.dirname, "../../../../node_modules/typescript/bin/tsc");
  assert.equal(argvOf(installed), [installed]);
});

test("where a guest mounts something over it, nothing is kept", async () => {
  const prefix = await mkdtemp("/tmp/windlass-test-");
  try {
    await mkdir(`${prefix}/lib`);
    assert.equal(argvOf(`${prefix}/bin/server`), ["/app/server"]);
  } finally {
    await rm(prefix, { recursive: true });
  }
});

test.run();
