/**
 * Builds `dist/`: the CLI and the library entries (code-split, so that `windlass --help` loads almost
 * nothing), the guest agent as one file, and the type declarations for library users. Then links the CLI
 * for `npx windlass` in this checkout.
 */
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { mapPageBuild } from "./host-tools/cli/map-page.ts";

const root = import.meta.dirname;
const out = join(root, "dist");
const run = promisify(execFile);

await rm(out, { recursive: true, force: true });
await Promise.all([buildHost(), buildGuest(), buildMapPage(), declareTypes()]);
// bootstrap.js compares its time with the sources'.
await writeFile(join(out, ".built"), "");
await linkForNpx();

/**
 * Host side: ES modules with shared chunks. Packages stay outside and are loaded when first used, except
 * for typebox, whose 700 files take 200 ms to load one by one.
 */
async function buildHost(): Promise<void> {
  const cli = "host-tools/cli/main";
  await build({
    absWorkingDir: root,
    entryPoints: [
      `${cli}.ts`,
      "allocator-model/index.ts",
      "host-tools/index.ts",
      "image-builder/index.ts",
      "guest/api/index.ts",
    ],
    outdir: out,
    outbase: root,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["esbuild", "fastify", "koffi", "tar-stream", "yaml"],
    chunkNames: "chunks/[name]-[hash]",
    logLevel: "warning",
  });
  await chmod(join(out, `${cli}.js`), 0o755);
}

/**
 * npm does not link a package's command into the package itself, and `npx` looks no further up than the
 * nearest package.json, so it would not find `windlass` in `examples/hello-http`. It does look for
 * `node_modules/.bin` in every folder above.
 */
async function linkForNpx(): Promise<void> {
  const link = join(root, "node_modules/.bin/windlass");
  await rm(link, { force: true });
  await symlink("../../dist/host-tools/cli/main.js", link);
}

/**
 * Guest side: two CommonJS files with everything in them. `init.js` is small and starts the program;
 * `agent.js`, the REST server, is loaded after it (V8's code cache works on one script).
 */
async function buildGuest(): Promise<void> {
  const folder = join(out, "guest");
  await mkdir(folder, { recursive: true });
  const { version } = createRequire(import.meta.url)("./package.json");
  await build({
    absWorkingDir: root,
    entryPoints: { init: "guest/init/main.ts", agent: "guest/agent/agent.ts" },
    outdir: folder,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    minify: true,
    legalComments: "none",
    define: { WINDLASS_VERSION: JSON.stringify(version) },
    logLevel: "warning",
  });
  await buildProgramSide(folder);
  await buildSymlinkSuite();
  const resolve = createRequire(import.meta.url).resolve;
  const koffi = join(resolve("@koromix/koffi-linux-x64/package.json"), "../linux_x64/koffi.node");
  await copyFile(koffi, join(folder, "koffi.node"));
}

/**
 * What runs inside the user's program: the file that is loaded before it, and the library
 * `windlass/guest` for both module systems, each in one file.
 */
async function buildProgramSide(folder: string): Promise<void> {
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20",
    legalComments: "none",
    logLevel: "warning",
  } as const;
  const preload = join(folder, "preload.cjs");
  const thread = join(folder, "thread.cjs");
  const library = { ...common, entryPoints: ["guest/program/index.ts"] };
  await Promise.all([
    build({
      ...{ ...common, entryPoints: ["guest/program/preload.ts"] },
      ...{ outfile: preload, format: "cjs", minify: true },
    }),
    build({
      ...{ ...common, entryPoints: ["guest/program/thread.ts"] },
      ...{ outfile: thread, format: "cjs", minify: true },
    }),
    build({ ...library, outfile: join(folder, "guest.js"), format: "esm" }),
    build({ ...library, outfile: join(folder, "guest.cjs"), format: "cjs" }),
  ]);
}

/** The symlink suite of `windlass conformance`, which runs in guests. */
async function buildSymlinkSuite(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ["host-tools/conformance/symlink/main.ts"],
    outfile: join(out, "conformance/symlink.cjs"),
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    logLevel: "warning",
  });
}

/** What makes the page of `windlass alloc map` work, for browsers. */
async function buildMapPage(): Promise<void> {
  await build({ ...mapPageBuild, absWorkingDir: root, outdir: join(out, "allocator-model") });
}

async function declareTypes(): Promise<void> {
  await mkdir(out, { recursive: true });
  const tsc = join(root, "node_modules/.bin/tsc");
  await run(tsc, ["--project", "tsconfig.build.json", "--outDir", out], { cwd: root });
}
