import * as assert from "uvu/assert";
import {
  executableManifest,
  keepsPath,
} from "../../../../image-builder/manifest/executable-manifest.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("an executable's manifest");

test("a program of its own is in /app, one of the system where it is", () => {
  const argvOf = (file: string) => {
    const { program } = executableManifest(file);
    return program.kind === "command" ? program.argv : [];
  };
  assert.equal(argvOf("/nowhere/server"), ["/app/server"]);
  assert.equal(argvOf("/usr/bin/python3"), ["/usr/bin/python3"]);
});

test("an installed program keeps its path: a bin beside a lib", () => {
  const isLib = (path: string) => path.endsWith("/lib");
  assert.is(keepsPath("/home/ada/.pyenv/versions/3.12.1/bin/python3", isLib), true);
  assert.is(
    keepsPath("/home/ada/.cargo/bin/tool", () => false),
    false,
  );
  assert.is(keepsPath("/home/ada/server", isLib), false);
  // A guest mounts something over it.
  assert.is(keepsPath("/tmp/venv/bin/python3", isLib), false);
});

test.run();
