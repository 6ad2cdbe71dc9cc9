/** SIGCHLD of this process, as the kernel sends it and strace(1) sees it. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";

const test = suite("child signal");

const packagePath = createRequire(import.meta.url).resolve("@koromix/koffi-linux-x64/package.json");
const KOFFI = join(packagePath, "../linux_x64/koffi.node");
const moduleUrl = (path: string): string =>
  JSON.stringify(new URL(`../../../../${path}`, import.meta.url).href);

/** A child stops and continues, and then ends; SIGCHLD is said for each, or for the end alone. */
const CHILD_PROGRAM = `
import { readFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
const { loadNativeLibrary } = await import(${moduleUrl("guest/syscalls/koffi.ts")});
const { ignoreStoppedChildren } = await import(${moduleUrl("guest/syscalls/child-signal.ts")});
const child = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
if (process.argv[1] === "ignore") ignoreStoppedChildren(loadNativeLibrary(${JSON.stringify(KOFFI)}));
child.kill("SIGSTOP");
while (!/\\) t/i.test(readFileSync(\`/proc/\${child.pid}/stat\`, "latin1"))) {}
child.kill("SIGCONT");
child.stdin.write("continued");
await once(child.stdout, "data");
child.stdin.end();
await once(child, "exit");
`;

function childSignals(word: string): string[] {
  const node = [process.execPath, "--import", "tsx", "--input-type=module", "-e", CHILD_PROGRAM];
  // In every thread: any of them may be the one that is told.
  const [program = "", ...trace] = "strace -f -qq -e trace=none -e signal=SIGCHLD".split(" ");
  const { stderr, error } = spawnSync(program, [...trace, ...node, word], {
    encoding: "utf8",
    timeout: 20_000,
  });
  if (error) throw error;
  return [...stderr.matchAll(/si_code=(CLD_\w+)/g)].map(([, code]) => code ?? "");
}

test("a process hears of children that end, not of those that stop", () => {
  const isStop = (code: string): boolean => ["CLD_STOPPED", "CLD_CONTINUED"].includes(code);
  assert.ok(childSignals("hear").some(isStop));
  // Its loader may have children of its own.
  const heard = childSignals("ignore");
  assert.ok(heard.includes("CLD_EXITED") && !heard.some(isStop), heard.join());
});

test.run();
