/** Every example in another language than Node's builds without a Windlass file, boots, answers and ends. */
import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { findTool } from "../../image-builder/runtimes/toolchain.ts";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type CliHome, cliHome } from "./cli-home.ts";
import { checkClone, checkServer, exampleProject } from "./example-check.ts";
import { OTHER_SERVERS, type OtherServer, WASI_HELLO } from "./other-examples.ts";

let home: CliHome;
const test = suite("examples of other runtimes", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    home = await cliHome();
  },
  teardown: () => home[Symbol.asyncDispose](),
});

for (const server of OTHER_SERVERS) {
  const name = `${server.example} builds and answers`;
  const missing = missingTool(server);
  if (missing !== undefined) test.skip(missing, name);
  else {
    test(name, async ({ signal }) => {
      await bringTool(server, signal);
      await checkServer(home, server, signal);
    });
    // Its runtime catches every signal, also that which asks Node programs to sleep.
    if (server.example === "go-http") {
      test(`${server.example} is cloned`, ({ signal }) => checkClone(home, server, signal));
    }
  }
}

/** Why an example cannot be built here; undefined when it can, or npm may bring what it needs. */
function missingTool({ tool: { program, source } }: OtherServer): string | undefined {
  if (findTool({ program })) return undefined;
  switch (source.kind) {
    case "debian":
      return `there is no ${program}: apt-get install ${source.package}`;
    case "npm":
      if (process.env["WINDLASS_TEST_NETWORK"] === "1") return undefined;
      return `there is no ${program}: install it, or set WINDLASS_TEST_NETWORK=1`;
    case "host":
      return `there is no ${program}`;
  }
}

/** Into the home's own folder, for its commands alone. */
async function bringTool({ tool: { program, source } }: OtherServer, signal: AbortSignal) {
  if (source.kind !== "npm" || findTool({ program })) return;
  const prefix = join(home.folder, "tools", program);
  const options = ["--no-audit", "--no-fund", "--no-save", "--prefix", prefix];
  await promisify(execFile)("npm", ["install", ...options, source.package], { signal });
  const folder = join(prefix, "node_modules", source.folder);
  home.environment["PATH"] = `${folder}${delimiter}${home.environment["PATH"]}`;
}

test(`${WASI_HELLO} greets, and ends with the number of its arguments`, async ({ signal }) => {
  const folder = await exampleProject(home, WASI_HELLO, signal);
  await promisify(execFile)(process.execPath, ["make.mjs"], { cwd: folder, signal });
  const result = await home.windlass(["run", "--rm", folder, "--", "one", "two"], { signal });
  assert.is(result.exitCode, 2, result.stderr);
  assert.is(result.stdout, "Hello from WebAssembly\n");
});

test.run();
