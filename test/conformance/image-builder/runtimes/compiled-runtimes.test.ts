/** Projects in compiled languages against the real compilers: what is made, and what is said when it cannot be. */
import { join } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { loadManifest } from "../../../../image-builder/manifest/manifest-file.ts";
import { builtProgram } from "../../../../image-builder/runtimes/compiled-project.ts";
import { readElfFile } from "../../../../image-builder/runtimes/elf.ts";
import { mainAttributes, readJar } from "../../../../image-builder/runtimes/jar-file.ts";
import type { RuntimeProject } from "../../../../image-builder/runtimes/runtime.ts";
import { loadRuntime } from "../../../../image-builder/runtimes/runtimes.ts";
import { findTool, missingTool } from "../../../../image-builder/runtimes/toolchain.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "../../../unit/image-builder/project/project-folder.ts";

const test = suite("compiled runtimes", { timeoutMs: 120_000 });

async function collect(root: string, signal: AbortSignal): Promise<RuntimeProject> {
  await using cache = await projectFolder();
  const manifest = await loadManifest(root);
  if (manifest.runtime === "node") throw new Error("known as a Node project");
  const runtime = await loadRuntime(manifest.runtime);
  assert.ok(runtime, manifest.runtime);
  const project = await runtime.collect({ root, manifest, cacheDirectory: cache.path, signal });
  for (const { hostPath } of project.nativeAddons) await readElfFile(hostPath);
  return project;
}

async function refusal(root: string, signal: AbortSignal): Promise<ImageError> {
  const error = await collect(root, signal).catch((cause: unknown) => cause);
  assert.instance(error, ImageError);
  return error as ImageError;
}

test("c: main.c and the sources beside it become one program, and nothing else goes in", async ({
  signal,
}) => {
  await using folder = await projectFolder({
    "main.c": "int other(void);\nint main(void) { return other(); }\n",
    "other.c": "int other(void) { return 0; }\n",
    "notes.txt": "",
  });
  const project = await collect(folder.path, signal);
  const paths = project.entries.map(({ path }) => path);
  assert.equal(paths, ["/app", project.argv[0]]);
  assert.is(project.runtime.name, "c");
});

test("c: the manifest's files go in, its command names and argues", async ({ signal }) => {
  await using folder = await projectFolder({
    "main.c": "int main(void) { return 0; }\n",
    "static/index.html": "",
    "windlass.json": {
      json: { runtime: "c", command: ["./bin/shop", "-v"], files: { include: ["static"] } },
    },
  });
  const { entries, argv } = await collect(folder.path, signal);
  assert.equal(argv, ["/app/bin/shop", "-v"]);
  assert.ok(entries.some(({ path }) => path === "/app/static/index.html"));
});

test("c: a compiler's complaint is in the error", async ({ signal }) => {
  await using folder = await projectFolder({ "main.c": "int main(void) { return x; }\n" });
  const error = await refusal(folder.path, signal);
  assert.is(error.code, "WL_IMAGE_COMPILE_FAILED");
  assert.match(error.message, /main\.c:1:.*error: .*x.* undeclared/);
});

test("c: of several programs that make makes, the command says which", async ({ signal }) => {
  const makefile = "all:\n\t$(CC) -o a one.c\n\t$(CC) -o b one.c\n";
  await using folder = await projectFolder({
    Makefile: makefile,
    "one.c": "int main(void) { return 0; }\n",
  });
  const error = await refusal(folder.path, signal);
  assert.match(error.message, /several executables: a, b/);
  await folder.add({ "windlass.json": { json: { runtime: "c", command: ["./b"] } } });
  assert.equal((await collect(folder.path, signal)).argv, ["/app/b"]);
});

const goMissing = findTool({ program: "go" }) ? undefined : "there is no go (golang-go)";
const GO_TEST = "go: static without C; an unfetched module and several programs are said";
if (goMissing) test.skip(goMissing, GO_TEST);
else {
  test(GO_TEST, async ({ signal }) => {
    // Debian's Go has its standard library compiled, for programs that keep their paths.
    process.env["GOFLAGS"] = "-trimpath=false";
    process.env["CGO_ENABLED"] = "1";
    try {
      await using folder = await projectFolder({
        "go.mod": "module example.org/shop/v2\n\ngo 1.19\n",
        "cmd/one/main.go": 'package main\n\nfunc main() { println("one") }\n',
      });
      const { argv, nativeAddons } = await collect(folder.path, signal);
      assert.equal(argv, ["/app/one"]);
      assert.is(nativeAddons.length, 1);
      await folder.add({ "cmd/two/main.go": "package main\n\nfunc main() {}\n" });
      assert.match((await refusal(folder.path, signal)).message, /several programs: \.\/cmd\/one/);
      await folder.add({
        "cmd/two/main.go": 'package main\n\nimport _ "example.org/none"\n\nfunc main() {}\n',
        "windlass.json": { json: { runtime: "go", entry: "cmd/two/main.go" } },
      });
      const unfetched = await refusal(folder.path, signal);
      assert.is(unfetched.code, "WL_IMAGE_COMPILE_FAILED");
      assert.match(unfetched.facts.next ?? "", /go mod download/);
    } finally {
      delete process.env["GOFLAGS"];
      delete process.env["CGO_ENABLED"];
    }
  });
}

test("a program that was built is taken unless a source is newer", async () => {
  await using folder = await projectFolder({ "main.go": "" });
  const because = missingTool({ program: "go", title: "Go", package: "golang-go" }, "build it");
  const request = { root: "/usr/bin", places: ["env"], isSource: () => false, because };
  assert.is(await builtProgram(request), "/usr/bin/env");
  const none = await builtProgram({ ...request, root: folder.path }).catch((error) => error);
  assert.match(none.message, /this host has no go/);
  assert.match(none.facts.next, /golang-go/);
});

test("jar: lines of a manifest go on, damaged jars are refused", async () => {
  const text = "Main-Class: org.exa\r\n mple.Main\r\nClass-Path: a.jar b.jar\r\n\r\nName: x\r\n";
  const attributes = mainAttributes(text);
  assert.is(attributes.get("main-class"), "org.example.Main");
  assert.is(attributes.has("name"), false);
  await using folder = await projectFolder({ "a.jar": "PK\u0005\u0006", "b.jar": "" });
  for (const name of ["a.jar", "b.jar"]) {
    const error = await readJar(join(folder.path, name)).catch((cause) => cause);
    assert.is(error.code, "WL_IMAGE_PROJECT_INVALID", name);
  }
});

test.run();
