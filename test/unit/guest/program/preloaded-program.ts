/**
 * A Node program with the real preload code in it, and the other side of its channel: the folder, the
 * FIFO and the signal that the agent has in a guest.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, watch, writeSync } from "node:fs";
import { cp, mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import {
  ARM_SIGNAL,
  ARMED_FOLDER,
  REHEARSAL_FOLDER,
  WAKE_FIFO,
  WAKE_RECORD_BYTES,
} from "../../../../guest/api/wake-channel.ts";
import type { ArmedReport, WakeRecord } from "../../../../guest/api/wake-record.ts";
import { kernelRandomAddon } from "../../../../image-builder/first-process/kernel-random-addon.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const ROOT = join(import.meta.dirname, "../../../..");

export interface PreloadedProgram extends AsyncDisposable {
  readonly pid: number;
  /** Resolves with the next line of standard output, undefined at its end. */
  line(): Promise<string | undefined>;
  /** Sends the signal as for a machine that is not saved yet. Afterwards `arm` cannot be called. */
  rehearse(): Promise<void>;
  /** Sends the signal and waits for the report. */
  arm(signal: AbortSignal): Promise<ArmedReport>;
  wake(record: WakeRecord): void;
  write(text: string): void;
  /** What it has written to standard error, once it has ended. */
  ended(): Promise<{ readonly exitCode: number | null; readonly errors: string }>;
}

export const CLONE = {
  kind: "clone",
  instance: { id: "i1", name: "one", hostname: "one-host" },
  parent: { template: "t1", instance: "i0" },
  env: { LATE: "bound" },
  args: ["--late"],
} satisfies WakeRecord;

/**
 * @param source an ES module, or CommonJS when `name` says so; or a folder, of which `name` is the entry
 */
export async function preloadedProgram(
  source: string | { readonly folder: string },
  options: {
    readonly name?: string;
    readonly nodeFlags?: readonly string[];
    readonly hasAddon?: boolean;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<PreloadedProgram> {
  const { name = "program.mjs", nodeFlags = [], hasAddon = true, env = {} } = options;
  const folder = await temporaryFolder();
  const armed = folder.file(ARMED_FOLDER);
  await mkdir(armed);
  await mkdir(folder.file(REHEARSAL_FOLDER));
  execFileSync("mkfifo", [folder.file(WAKE_FIFO)]);
  const fifo = openSync(folder.file(WAKE_FIFO), "r+");
  if (hasAddon) await writeFile(folder.file("kernel-random.node"), kernelRandomAddon());
  await writeFile(folder.file("preload.cjs"), await preload(folder.path));
  await mkdir(folder.file("node_modules/windlass"), { recursive: true });
  await bundleLibrary(folder.file("node_modules/windlass"));
  if (typeof source === "string") await writeFile(folder.file(name), source);
  else await cp(source.folder, folder.path, { recursive: true });
  const child = spawn(
    process.execPath,
    [...nodeFlags, `--require=${folder.file("preload.cjs")}`, folder.file(name)],
    { env: { PATH: process.env["PATH"], TMPDIR: folder.path, ...env }, cwd: folder.path },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error("node did not start");
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = once(child, "close");
  return {
    pid,
    line: async () => (await lines.next()).value,
    async rehearse() {
      await rmdir(armed);
      child.kill(ARM_SIGNAL);
    },
    async arm(signal) {
      // Not the iterator of node:fs/promises: in Node 20 it loses one of two changes at once.
      const watcher = watch(armed, { signal });
      try {
        await new Promise<void>((resolve, reject) => {
          watcher.on("change", (_event, name) => name === String(pid) && resolve());
          watcher.on("error", reject);
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
          child.kill(ARM_SIGNAL);
        });
      } finally {
        watcher.close();
      }
      return JSON.parse(await readFile(join(armed, String(pid)), "utf8"));
    },
    wake: (record) => {
      writeSync(fifo, JSON.stringify(record).padEnd(WAKE_RECORD_BYTES));
    },
    write: (text) => void child.stdin.write(text),
    async ended() {
      await closed;
      return { exitCode: child.exitCode, errors };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await closed;
      closeSync(fifo);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** As guest/program/preload.ts, with a folder of the test's own. */
async function preload(folder: string): Promise<Uint8Array> {
  const options = JSON.stringify({ folder, addon: join(folder, "kernel-random.node") });
  const { outputFiles } = await build({
    stdin: {
      contents: `
import { HookRun } from "./guest/program/hook-run.ts";
import { watchSignal } from "./guest/program/signal-watch.ts";
const run = new HookRun(${options});
watchSignal(${JSON.stringify(ARM_SIGNAL)}, () => void run.start());
`,
      resolveDir: ROOT,
    },
    bundle: true,
    write: false,
    format: "cjs",
    platform: "node",
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

async function bundleLibrary(folder: string): Promise<void> {
  const entryPoints = [join(ROOT, "guest/program/index.ts")];
  const common = { entryPoints, bundle: true, platform: "node" } as const;
  await build({ ...common, outfile: join(folder, "guest.mjs"), format: "esm" });
  await build({ ...common, outfile: join(folder, "guest.cjs"), format: "cjs" });
  const exports = { "./guest": { import: "./guest.mjs", require: "./guest.cjs" } };
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "windlass", exports }));
}
