import * as assert from "uvu/assert";
import { identifyProcess, waitForExit } from "../../../../host-tools/qemu/process-identity.ts";
import { runGroup } from "../../../../image-builder/kernels/process-group.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("process group");

const place = { cwd: "/", environment: { PATH: process.env["PATH"] ?? "" } };

test("lines of both outputs are told and the last ones kept", async () => {
  const lines: string[] = [];
  const script = "echo one; echo two >&2; exit 3";
  const end = await runGroup(["sh", "-c", script], {
    ...place,
    onLine: (line) => lines.push(line),
  });
  assert.equal(lines.sort(), ["one", "two"]);
  assert.is(end.succeeded, false);
  assert.is(end.how, "exit status 3");
  assert.equal([...end.lastLines].sort(), ["one", "two"]);
  assert.is((await runGroup(["true"], place)).succeeded, true);
});

test("the environment is what was given, nothing more", async () => {
  const { lastLines } = await runGroup(["env"], place);
  assert.equal(
    lastLines.filter((line) => !/^(PATH|PWD|SHLVL|_)=/.test(line)),
    [],
  );
});

test("an abort ends every process of the group before it is reported", async () => {
  const stop = new AbortController();
  const pids: number[] = [];
  const script = "sleep 1000 & echo $!; sleep 1000 & echo $!; wait";
  const onLine = (line: string): void => {
    pids.push(Number(line));
    if (pids.length === 2) stop.abort(new Error("enough"));
  };
  const ended = await runGroup(["sh", "-c", script], {
    ...place,
    onLine,
    signal: stop.signal,
  }).then(
    () => "ended",
    (error) => error.message,
  );
  assert.is(ended, "enough");
  for (const pid of pids) await ends(pid);
});

test("a job that outlives its program does not keep us waiting", async () => {
  const pids: number[] = [];
  const onLine = (line: string): void => void pids.push(Number(line));
  const end = await runGroup(["sh", "-c", "sleep 1000 & echo $!"], { ...place, onLine });
  assert.is(end.succeeded, true);
  for (const pid of pids) await ends(pid);
});

test("a program that is not there is said so", async () => {
  const end = await runGroup(["windlass-has-no-such-program"], place);
  assert.is(end.succeeded, false);
  assert.match(end.lastLines.join("\n"), "windlass-has-no-such-program");
});

test("nothing is started when the signal is aborted already", async () => {
  const signal = AbortSignal.abort(new Error("too late"));
  const ended = await runGroup(["true"], { ...place, signal }).catch((error) => error.message);
  assert.is(ended, "too late");
});

/** A killed process may need a moment; one that is not killed meets the test's deadline. */
async function ends(pid: number): Promise<void> {
  const running = await identifyProcess(pid);
  if (running) await waitForExit(running);
}

test.run();
