import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { findProgram } from "../../../../guest/agent/program-path.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("program path");

/** one/tool is a folder, two/tool is not executable, three/tool is, and so is four/tool. */
async function fourFolders({ file }: TemporaryFolder): Promise<string> {
  const folders = ["one", "two", "three", "four"].map((name) => file(name));
  for (const folder of folders) await mkdir(folder);
  await mkdir(file("one/tool"));
  await writeFile(file("two/tool"), "", { mode: 0o644 });
  await writeFile(file("three/real"), "", { mode: 0o755 });
  await symlink("real", file("three/tool"));
  await writeFile(file("four/tool"), "", { mode: 0o755 });
  return folders.join(":");
}

test("a name is looked up in PATH, past folders and files that are not executable", async () => {
  await using folder = await temporaryFolder();
  const path = await fourFolders(folder);
  assert.is(findProgram("tool", { cwd: "/", path }), folder.file("three/tool"));
  const relative = findProgram("tool", { cwd: folder.path, path: "two:four" });
  assert.is(relative, folder.file("four/tool"), "PATH may be relative");
  assert.is(findProgram("sh", { cwd: "/", path: undefined }), "/bin/sh");
});

test("a path is taken from the folder, and not looked up", async () => {
  await using folder = await temporaryFolder();
  const path = await fourFolders(folder);
  assert.is(findProgram("./tool", { cwd: folder.file("four"), path }), folder.file("four/tool"));
  assert.throws(() => findProgram("./tool", { cwd: "/", path }), /ENOENT/);
});

test("what is wrong with the first place is why there is none", async () => {
  await using folder = await temporaryFolder();
  await fourFolders(folder);
  const code = (file: string, path: string): unknown => {
    try {
      return findProgram(file, { cwd: folder.path, path });
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
  };
  assert.is(code("tool", "one:nowhere"), "EACCES");
  assert.is(code("tool", "two:nowhere"), "EACCES");
  assert.is(code("tool", "nowhere:two"), "ENOENT");
  assert.is(code("", "four"), "ENOENT");
  await chmod(folder.file("four/tool"), 0o644);
  assert.is(code("four/tool", "three"), "EACCES");
});

test.run();
