/** Every example in Node builds, boots, answers and ends as it is asked to; all but thread-http without a Windlass file. */
import { readdirSync } from "node:fs";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type CliHome, cliHome } from "./cli-home.ts";
import {
  checkServer,
  EXAMPLES,
  exampleProject,
  type ServerExample,
  TERMINATED,
} from "./example-check.ts";
import { OTHER_EXAMPLES } from "./other-examples.ts";

let home: CliHome;
const test = suite("examples", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    home = await cliHome();
  },
  teardown: () => home[Symbol.asyncDispose](),
});

const SERVERS: readonly ServerExample[] = [
  { example: "hello-http", expected: /Hello/, stopStatus: TERMINATED },
  { example: "express-app", expected: /Hello from Express/, stopStatus: TERMINATED },
  { example: "fastify-typescript", expected: /from Fastify/, stopStatus: TERMINATED },
  { example: "native-addon", expected: /"visits":1,"sqlite":"3\./, stopStatus: TERMINATED },
  { example: "esm-workers", path: "/1000", expected: /"primes":168/, stopStatus: TERMINATED },
  { example: "clone-hooks", expected: /"counter":1,"connections":4/, stopStatus: TERMINATED },
  { example: "thread-http", expected: /\na thread of process \d+\n/, isThread: true },
];

for (const server of SERVERS) {
  test(`${server.example} builds and answers`, ({ signal }) => checkServer(home, server, signal));
}

const EXIT_SEVEN = "exit-seven";
test("exit-seven makes windlass run exit with 7", async ({ signal }) => {
  const folder = await exampleProject(home, EXIT_SEVEN, signal);
  const result = await home.windlass(["run", "--rm", "--bootchart", folder], { signal });
  assert.is(result.exitCode, 7, result.stderr);
  assert.match(result.stderr, /^QEMU .*\nfirmware .*\n(.*\n)*kernel.* #+\n(.*\n)*in all /m);
  assert.is(result.stdout.includes("firmware"), false);
  assert.equal(JSON.parse((await home.windlass(["ps", "-a", "--json"])).stdout), []);
});

test("no example is left out", () => {
  const tried = [...SERVERS.map(({ example }) => example), EXIT_SEVEN, ...OTHER_EXAMPLES];
  assert.equal(readdirSync(EXAMPLES).sort(), tried.sort());
});

test.run();
