/** Every example builds without a Windlass file, boots, and answers. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import type { Bootchart } from "../../host-tools/cli/bootchart.ts";
import { suite } from "../support/suite.ts";
import { type CliHome, cliHome } from "./cli-home.ts";

const examples = join(import.meta.dirname, "../../examples");

let home: CliHome;
const test = suite("examples", {
  timeoutMs: 300_000,
  setup: async () => {
    home = await cliHome();
  },
  teardown: () => home[Symbol.asyncDispose](),
});

const SERVERS = [
  { example: "hello-http", path: "/", expected: /Hello/ },
  { example: "express-app", path: "/", expected: /Hello from Express/ },
  { example: "fastify-typescript", path: "/", expected: /from Fastify/ },
  { example: "native-addon", path: "/", expected: /"visits":1,"sqlite":"3\./ },
  { example: "esm-workers", path: "/1000", expected: /"primes":168/ },
  { example: "c-http", path: "/", expected: /^Hello from Windlass\nC, / },
  { example: "python-http", path: "/", expected: /Hello from Windlass/ },
  { example: "python-flask", path: "/", expected: /Hello from Windlass/ },
  { example: "ruby-http", path: "/", expected: /Hello from Windlass/ },
] as const;

for (const { example, path, expected } of SERVERS) {
  test(`${example} builds and answers`, async ({ signal }) => {
    const folder = await project(example, signal);
    const built = await home.windlass(["build", folder, "-t", example], { signal });
    assert.is(built.exitCode, 0, built.stderr);
    const options = ["-d", "--rm", "--name", example, "-p", "8080", "--bootchart", "--json"];
    const started = await home.windlass(["run", ...options, example], { signal });
    assert.is(started.exitCode, 0, started.stderr);
    const { readiness, ports, bootchart } = JSON.parse(started.stdout);
    assert.is(readiness, "ready");
    checkBootchart(bootchart);
    const reply = await fetch(`http://127.0.0.1:${ports[0].hostPort}${path}`, { signal });
    assert.is(reply.status, 200);
    assert.match(await reply.text(), expected);
    const killed = await home.windlass(["kill", example], { signal });
    assert.is(killed.exitCode, 0, killed.stderr);
  });
}

test("exit-seven makes windlass run exit with 7", async ({ signal }) => {
  const folder = await project("exit-seven", signal);
  const result = await home.windlass(["run", "--rm", "--bootchart", folder], { signal });
  assert.is(result.exitCode, 7, result.stderr);
  assert.match(result.stderr, /^QEMU .*\nfirmware .*\n(.*\n)*kernel.* #+\n(.*\n)*in all /m);
  assert.is(result.stdout.includes("firmware"), false);
  assert.equal(JSON.parse((await home.windlass(["ps", "-a", "--json"])).stdout), []);
});

/** Every part of a boot took some time, the guest's own parts too. */
function checkBootchart({ spans, totalMs }: Bootchart): void {
  const phases = ["prepare", "qemu", "firmware", "kernel", "init", "program"];
  assert.equal(
    spans.map(({ phase }) => phase),
    [...phases, "rest-api", "answer"],
  );
  for (const phase of ["qemu", "kernel", "init", "program"]) {
    const { beginMs, endMs } = spans.find((span) => span.phase === phase) ?? {};
    assert.ok((beginMs ?? 0) < (endMs ?? 0), phase);
  }
  assert.is(spans.at(-1)?.endMs, totalMs);
}

/** A copy of the example with its dependencies installed. */
async function project(example: string, signal: AbortSignal): Promise<string> {
  const folder = join(home.folder, "projects", example);
  await cp(join(examples, example), folder, {
    recursive: true,
    filter: (source) => !source.includes("node_modules"),
  });
  if (!existsSync(join(folder, "package-lock.json"))) return folder;
  const args = ["ci", "--no-audit", "--no-fund"];
  // Addons are compiled where no prebuilt one can be had; the headers come with Node itself.
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, "include/node/node.h"));
  const env = { ...process.env, ...(headers ? { npm_config_nodedir: prefix } : {}) };
  await promisify(execFile)("npm", args, { cwd: folder, env, signal }).catch((error) => {
    throw new Error(`npm ci failed in ${example}:\n${error.stderr}`);
  });
  return folder;
}

test.run();
