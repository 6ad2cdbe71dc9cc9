/** The addon against binutils, the C library's loader and Node. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { kernelRandomAddon } from "../../../../image-builder/first-process/kernel-random-addon.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("kernel random addon");

async function written(): Promise<{ folder: TemporaryFolder; addon: string }> {
  const folder = await temporaryFolder();
  const addon = folder.file("kernel-random.node");
  await writeFile(addon, kernelRandomAddon());
  return { folder, addon };
}

function node(script: string, env: Record<string, string> = {}): string {
  return execFileSync(process.execPath, ["-e", script], {
    env: { PATH: process.env["PATH"], ...env },
    encoding: "utf8",
  });
}

test("readelf has nothing to say against it", async () => {
  const { folder, addon } = await written();
  await using _folder = folder;
  const args = ["--use-dynamic", "--all", "--wide", addon];
  const { stdout, stderr } = run("readelf", args);
  assert.is(stderr, "");
  assert.match(stdout, /Type:\s+DYN/);
  for (const name of [
    "RAND_set_rand_method",
    "napi_create_function",
    "napi_create_bigint_uint64",
  ]) {
    assert.match(stdout, new RegExp(`R_X86_64_GLOB_DAT\\s+0+ ${name} \\+ 0`));
    assert.match(stdout, new RegExp(`FUNC\\s+GLOBAL DEFAULT\\s+UND ${name}`));
  }
  assert.match(stdout, /FUNC\s+GLOBAL DEFAULT\s+1 napi_register_module_v1/);
  assert.match(stdout, /GNU_STACK .* RW /);
  for (const [, flags] of stdout.matchAll(/^\s+LOAD\s.*\s(R[W ]?E?)\s+0x1000$/gm)) {
    assert.not.match(flags ?? "", /W.*E/, "no memory is both writable and executable");
  }
});

test("Node loads it again and again, in every thread, and gets a function", async () => {
  const { folder, addon } = await written();
  await using _folder = folder;
  const load = `((module) => (process.dlopen(module, ${JSON.stringify(addon)}), module.exports))({ exports: {} })`;
  const output = node(`
for (let count = 0; count < 100; count += 1) {
  const calls = ${load};
  for (let call = 0; call < 100; call += 1) if (calls() !== 0n) throw new Error("a draw");
}
const { Worker } = require("node:worker_threads");
new Worker(${JSON.stringify(`${load}()`)}, { eval: true }).on("exit", (code) => console.log(code));`);
  assert.is(output, "0\n");
});

test("the loader binds to the OpenSSL that Node uses", async () => {
  const { folder, addon } = await written();
  await using _folder = folder;
  const script = `process.dlopen({ exports: {} }, ${JSON.stringify(addon)})`;
  const log = folder.file("bindings");
  execFileSync(process.execPath, ["-e", script], {
    env: { LD_DEBUG: "bindings", LD_DEBUG_OUTPUT: log },
  });
  const bindings = execFileSync("sh", ["-c", 'cat "$0".*', log], { encoding: "utf8" });
  assert.match(
    bindings,
    /binding file \S*kernel-random\.node \[0\] to \S*.*`RAND_set_rand_method'/,
  );
});

test("every draw is one of the kernel's, of the same length", async () => {
  const { folder, addon } = await written();
  await using _folder = folder;
  const log = folder.file("strace");
  const script = `
const crypto = require("node:crypto");
crypto.randomBytes(16); // OpenSSL is set up.
process.dlopen({ exports: {} }, ${JSON.stringify(addon)});
const { writeSync } = require("node:fs");
writeSync(1, "mark");
crypto.randomBytes(33);
crypto.randomFillSync(Buffer.alloc(70_000));
crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
writeSync(1, "mark");`;
  const { stdout } = run("strace", [
    "-o",
    log,
    "-e",
    "trace=getrandom,write",
    process.execPath,
    "-e",
    script,
  ]);
  assert.is(stdout, "markmark");
  const trace = execFileSync("cat", [log], { encoding: "utf8" });
  const between = trace.split(/write\(1, "mark".*\n/)[1] ?? "";
  const lengths = [...between.matchAll(/^getrandom\(.*, (\d+), 0\) += \1$/gm)].map(([, n]) => n);
  assert.equal(lengths, ["33", "70000", "32"], trace);
});

test("it counts the draws of its own thread and of all", async () => {
  const { folder, addon } = await written();
  await using _folder = folder;
  const output = node(`
const crypto = require("node:crypto");
const module_ = { exports: {} };
process.dlopen(module_, ${JSON.stringify(addon)});
const calls = module_.exports;
const say = () => console.log(calls() & 0xffffffffn, calls() >> 32n);
crypto.randomBytes(1);
say();
crypto.randomBytes(1, () => {
  say(); // A thread of libuv's.
  crypto.randomBytes(1);
  say();
});`);
  assert.is(output, "1n 1n\n1n 2n\n2n 3n\n");
});

/** What guest/program/random-source.ts uses up. */
test("Node keeps ready what we use up, and no more", () => {
  const source = node(
    `process.stdout.write(process.binding("natives")["internal/crypto/random"])`,
    { NODE_NO_WARNINGS: "1" },
  );
  assert.match(source, /\bkBatchSize = 128;/);
  assert.match(source, /\brandomCache = new FastBuffer\(6 \* 1024\);/);
  assert.match(source, /\brandomCache\.readUIntBE\(randomCacheOffset, 6\)/);
  const caches = [...source.matchAll(/^(?:let|const) (\w*(?:[cC]ache|[dD]ata|Batch)\w*)\b/gm)];
  assert.equal(caches.map(([, name]) => name).sort(), [
    "asyncCacheFillInProgress",
    "asyncCachePendingTasks",
    "hexBytesCache",
    "kBatchSize",
    "randomCache",
    "randomCacheOffset",
    "uuidBatch",
    "uuidData",
  ]);
});

function run(program: string, args: readonly string[]): { stdout: string; stderr: string } {
  const { stdout, stderr, status, error } = spawnSync(program, args, { encoding: "utf8" });
  if (error) throw error;
  assert.is(status, 0, stderr);
  return { stdout, stderr };
}

test.run();
