/**
 * The steps of a kernel's build with real tar, xz and processes, and stand-ins for apt, dpkg-deb, make and
 * the compiler. The real ones build in test/integration/kernel-build.test.ts.
 */
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import {
  buildKernel,
  type KernelBuildStep,
} from "../../../../image-builder/kernels/kernel-build.ts";
import { SOURCE_CHANGES } from "../../../../image-builder/kernels/kernel-source-changes.ts";
import { KernelStore, vmlinuzPath } from "../../../../image-builder/kernels/kernel-store.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";
import { bzImage, elfKernel } from "../../../unit/image-builder/kernels/kernel-fixture.ts";

const test = suite("kernel build");

const RELEASE = "6.1.9-windlass";
const CONFIGURATION = "CONFIG_SMP=y\nCONFIG_VT=n\n";
/** Kconfig's part of make, as far as this test goes. */
const CONFIGURE = 'cp "$KCONFIG_ALLCONFIG" .config';
const COMPILE = `echo "  CC      kernel/fork.o"; mkdir -p arch/x86/boot
grep -q lapic_timer_hz ${SOURCE_CHANGES[0]?.file} && cp "$TOOLS/../bzImage" arch/x86/boot/bzImage`;

interface Bench extends AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly store: KernelStore;
  readonly cacheFolder: string;
  readonly configurationPath: string;
  /** Replaces a stand-in by another shell script. */
  tool(name: string, script: string): Promise<void>;
  /** What the build left in the cache, without its lock. */
  cached(): Promise<string[]>;
}

async function bench(): Promise<Bench> {
  const folder = await temporaryFolder();
  const tools = folder.file("tools");
  const path = process.env["PATH"];
  await mkdir(tools);
  await writeFile(folder.file("bzImage"), bzImage({ release: RELEASE, content: elfKernel("own") }));
  await writeFile(folder.file("kernel.config"), CONFIGURATION);
  for (const { file, after } of SOURCE_CHANGES) {
    const source = folder.file(`tree/linux-source-6.1/${file}`);
    await mkdir(dirname(source), { recursive: true });
    await writeFile(source, `${after}\n`);
  }
  const tool = async (name: string, script: string): Promise<void> => {
    await writeFile(`${tools}/${name}`, `#!/bin/sh\nTOOLS=${tools}\n${script}\n`);
    await chmod(`${tools}/${name}`, 0o755);
  };
  for (const name of ["gcc", "ld", "flex", "bison", "bc"]) await tool(name, `echo ${name} 12.2`);
  await tool("apt-cache", "echo 'Package: linux-source-6.1'; echo 'Version: 6.1.9-1'");
  await tool("apt-get", 'touch "source.deb"; echo "$*" >> "$TOOLS/../downloads"');
  await tool(
    "dpkg-deb",
    `mkdir -p "$3/usr/src"
tar -C "$TOOLS/../tree" -cJf "$3/usr/src/linux-source-6.1.tar.xz" linux-source-6.1`,
  );
  await tool("make", makeScript(CONFIGURE, COMPILE));
  process.env["PATH"] = `${tools}:${path}`;
  return {
    ...{ folder, tool },
    store: new KernelStore(folder.file("data")),
    cacheFolder: folder.file("cache"),
    configurationPath: folder.file("kernel.config"),
    async cached() {
      const names = await readdir(folder.file("cache/built-kernels")).catch(() => []);
      return names.filter((name) => name !== ".lock");
    },
    async [Symbol.asyncDispose]() {
      process.env["PATH"] = path;
      await folder[Symbol.asyncDispose]();
    },
  };
}

function makeScript(configure: string, compile: string): string {
  return `case "$*" in
  --version) echo make 4;;
  *allnoconfig*) ${configure};;
  *bzImage*) ${compile};;
esac`;
}

async function refusal(work: Promise<unknown>): Promise<ImageError> {
  const error = await work.then(
    () => assert.unreachable("was accepted"),
    (caught) => caught,
  );
  assert.instance(error, ImageError, String(error));
  return error as ImageError;
}

test("a kernel is built once, taken in and becomes the current one", async () => {
  await using own = await bench();
  const steps: KernelBuildStep[] = [];
  const shares: number[] = [];
  const first = await buildKernel({
    ...own,
    onStep: (step) => steps.push(step),
    onCompiled: (share) => shares.push(share),
  });
  assert.equal(steps, ["check", "fetch", "unpack", "configure", "compile", "store"]);
  assert.is(shares.length, 1);
  assert.is(first.cached, false);
  assert.is(first.kernel.release, RELEASE);
  assert.equal(first.kernel.modules, []);
  assert.match(
    first.kernel.source,
    /^built from linux-source-6.1 6.1.9-1, configuration [0-9a-f]{12}$/,
  );
  assert.is((await own.store.current())?.release, RELEASE);
  const built = await readFile(own.folder.file("bzImage"));
  assert.equal(await readFile(vmlinuzPath(first.kernel)), built);

  const again = await buildKernel(own);
  assert.is(again.cached, true);
  assert.equal(again.kernel, first.kernel);
  assert.is((await own.cached()).length, 1);
  const downloads = await readFile(own.folder.file("downloads"), "utf8");
  assert.is(downloads, "download -qq linux-source-6.1=6.1.9-1\n");
});

test("another source, compiler or configuration is another kernel; a comment is not", async () => {
  await using own = await bench();
  await buildKernel(own);
  await writeFile(own.configurationPath, `# why\n${CONFIGURATION}`);
  assert.is((await buildKernel(own)).cached, true);
  await writeFile(own.configurationPath, `${CONFIGURATION}CONFIG_TTY=y\n`);
  assert.is((await buildKernel(own)).cached, false);
  await own.tool("gcc", "echo gcc 13");
  assert.is((await buildKernel(own)).cached, false);
  await own.tool("apt-cache", "echo 'Version: 6.1.9-2'");
  assert.is((await buildKernel(own)).cached, false);
  assert.is((await own.cached()).length, 4);
});

test("missing tools are named with the one command that installs them", async () => {
  await using own = await bench();
  await own.tool("bc", "exit 127");
  await own.tool("gcc", 'test "$1" = --version && echo gcc 12.2');
  const error = await refusal(buildKernel(own));
  assert.is(error.code, "WL_IMAGE_KERNEL_UNAVAILABLE");
  assert.match(error.facts.next ?? "", '"apt-get install bc libc6-dev libelf-dev"');
});

test("an option that does not take effect is named and nothing is built", async () => {
  await using own = await bench();
  await own.tool("make", makeScript("echo CONFIG_VT=y > .config", COMPILE));
  const error = await refusal(buildKernel(own));
  assert.match(error.message, "CONFIG_SMP=y became n, CONFIG_VT=n became y");
  assert.equal(await own.cached(), []);
  assert.equal(await own.store.list(), []);
});

test("a failed compiler is quoted, a full disk said so; nothing is left", async () => {
  await using own = await bench();
  const broken = 'echo "a.c:1:2: error: no such thing" >&2; exit 2';
  await own.tool("make", makeScript(CONFIGURE, broken));
  const failed = await refusal(buildKernel(own));
  assert.is(failed.code, "WL_IMAGE_KERNEL_UNAVAILABLE");
  assert.match(failed.message, "exit status 2: a.c:1:2: error: no such thing");
  const full = 'echo "ld: final link failed: No space left on device" >&2; exit 2';
  await own.tool("make", makeScript(CONFIGURE, full));
  const error = await refusal(buildKernel(own));
  assert.is(error.code, "WL_IMAGE_IO");
  assert.match(error.message, "the disk is full");
  assert.equal(await own.cached(), []);
  assert.is(await own.store.current(), undefined);
});

test("an interrupted build leaves nothing, and what a killed one left goes with the next", async () => {
  await using own = await bench();
  const stop = new AbortController();
  const waiting = 'echo "  CC      kernel/fork.o"; sleep 1000';
  await own.tool("make", makeScript(CONFIGURE, waiting));
  const onCompiled = (): void => stop.abort(new Error("interrupted"));
  const ended = await buildKernel({ ...own, onCompiled, signal: stop.signal }).catch(
    (error) => error.message,
  );
  assert.is(ended, "interrupted");
  assert.equal(await own.cached(), []);

  await mkdir(own.folder.file("cache/built-kernels/.new-1-killed/linux"), { recursive: true });
  await own.tool("make", makeScript(CONFIGURE, COMPILE));
  assert.is((await buildKernel(own)).cached, false);
  assert.is((await own.cached()).length, 1);
});

test.run();
