/** Traced runs with the real strace(1): what is seen, what is told, what is refused. */
import { watch } from "node:fs/promises";
import * as assert from "uvu/assert";
import { identifyProcess, waitForExit } from "../../../../host-tools/qemu/process-identity.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { traceRun } from "../../../../image-builder/runtimes/host-trace.ts";
import { findTool } from "../../../../image-builder/runtimes/toolchain.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "../../../unit/image-builder/project/project-folder.ts";

const test = suite("traced runs (strace)");

function withStrace(name: string, body: (context: { signal: AbortSignal }) => Promise<void>): void {
  if (findTool({ program: "strace" })) test(name, body);
  else test.skip("strace is not installed", name);
}

async function refusal(argv: readonly string[], root: string): Promise<ImageError> {
  const outcome: unknown = await traceRun(argv, root, undefined).catch((error: unknown) => error);
  assert.instance(outcome, ImageError);
  return outcome as ImageError;
}

withStrace("sees what children open, and tells a run that fails", async ({ signal }) => {
  await using folder = await projectFolder({
    "data/kept": "",
    "data/written": "",
    parent: { text: "#!/bin/sh\n./child < data/kept > data/written\nexit 3\n", mode: 0o755 },
    child: { text: "#!/bin/sh\nread line < /etc/passwd; read line < /etc/services\n", mode: 0o755 },
  });
  const { paths, warning } = await traceRun(["./parent"], folder.path, signal);
  for (const path of ["/app/parent", "/app/child", "/app/data/kept"]) {
    assert.ok(paths.includes(path), path);
  }
  for (const path of ["/app/data/written", "/etc/passwd", "/etc/ld.so.cache"]) {
    assert.not.ok(paths.includes(path), path);
  }
  assert.equal(paths, [...paths].sort());
  assert.match(warning ?? "", 'run of "./parent" ended with status 3');
  assert.is((await traceRun(["/bin/true"], folder.path, signal)).warning, undefined);
});

withStrace("a run that a signal ends is told", async ({ signal }) => {
  await using folder = await projectFolder();
  const { warning } = await traceRun(["sh", "-c", "kill -SEGV $$"], folder.path, signal);
  assert.match(warning ?? "", "ended with SIGSEGV");
});

withStrace("a command that cannot be started is refused", async () => {
  await using folder = await projectFolder({
    plain: "text",
    orphan: { text: "#!/no/such/interpreter\n", mode: 0o755 },
  });
  for (const program of ["./nothing", "no-such-program", "./plain", "./orphan"]) {
    const { code, message } = await refusal([program], folder.path);
    assert.is(code, "WL_IMAGE_PROJECT_INVALID");
    assert.match(message, `Cannot trace ${program}: `);
  }
});

withStrace("without strace the package is named", async () => {
  await using folder = await projectFolder();
  const path = process.env["PATH"];
  process.env["PATH"] = folder.path;
  try {
    const { facts } = await refusal(["/bin/true"], folder.path);
    assert.match(facts.next ?? "", "apt-get install strace");
  } finally {
    process.env["PATH"] = path;
  }
});

withStrace("a run ends with the build", async ({ signal }) => {
  await using folder = await projectFolder();
  const stop = new AbortController();
  const changes = watch(folder.path, { signal })[Symbol.asyncIterator]();
  const first = changes.next();
  const script = "trap '' TERM; mkdir $$; while :; do sleep 1; done";
  const running = traceRun(["sh", "-c", script], folder.path, stop.signal);
  const command = await identifyProcess(Number((await first).value?.filename));
  assert.ok(command);
  stop.abort(new Error("enough"));
  const outcome: unknown = await running.catch((error: unknown) => error);
  assert.is((outcome as Error).message, "enough");
  await waitForExit(command, { signal });
  await changes.return?.();
});

test.run();
