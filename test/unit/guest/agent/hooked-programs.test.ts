/** Which processes are asked to take part in a template: Node programs with our preload file, and no others. */
import * as assert from "uvu/assert";
import { catchesHookSignal, hasPreloadFile } from "../../../../guest/agent/hooked-programs.ts";
import { programEnvironment } from "../../../../guest/api/program-environment.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("hooked programs");

const status = (caught: string): string =>
  `Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t${caught}\n`;

test("a process that listens for the signal is told from one that does not", () => {
  assert.is(catchesHookSignal(status("0000000100004602")), false, "Node without the preload file");
  assert.is(catchesHookSignal(status("000000010000c602")), true, "Node with it");
  assert.is(catchesHookSignal(status("fffffffd7fc1feff")), false, "Go, which catches all");
  assert.is(catchesHookSignal(status("0000000000000000")), false);
  assert.is(catchesHookSignal(""), false, "it has ended");
});

test("an environment says whether Node would have loaded the file", () => {
  const text = (isNode: boolean, env: Record<string, string> = {}): string =>
    Object.entries(programEnvironment(env, { home: "/root", heapMib: undefined, isNode }))
      .map(([name, value]) => `${name}=${value}\0`)
      .join("");
  assert.is(hasPreloadFile(text(true)), true);
  assert.is(hasPreloadFile(text(true, { NODE_OPTIONS: "--no-warnings" })), true);
  assert.is(hasPreloadFile(text(false, { NODE_OPTIONS: "--no-warnings" })), false);
  assert.is(hasPreloadFile(text(false, { NOTE: "/usr/lib/windlass/preload.cjs" })), false);
  assert.is(hasPreloadFile(""), false);
});

test.run();
