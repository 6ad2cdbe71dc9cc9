/**
 * `npm run demo`: a project's folder becomes a machine that answers over REST, told step by step. Written
 * against the library entries, as a program of somebody else's would be.
 */
import { join } from "node:path";
import { parsePublish, run } from "../../host-tools/index.ts";
import { build } from "../../image-builder/index.ts";

const project = join(import.meta.dirname, "../../examples/hello-http");
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => stop.abort(new Error(`interrupted by ${signal}`)));
}
const { signal } = stop;

console.log("1. Build an image from examples/hello-http: a package.json and a server.js\n");
const { image } = await build({
  folder: project,
  name: "windlass-demo",
  signal,
  onProgress: ({ step, detail, durationMs, cached, sizeBytes }) => {
    const size = sizeBytes === undefined ? "" : `${(sizeBytes / 1e6).toFixed(1)} MB`;
    const time = cached ? "cached" : `${Math.round(durationMs)} ms`;
    console.log(`   ${step.padEnd(9)} ${time.padStart(8)} ${size.padStart(8)}  ${detail}`);
  },
});

console.log("\n2. Boot it and wait until its program answers\n");
const startedMs = performance.now();
{
  await using machine = await run({ image: image.id, publish: [parsePublish("8080")], signal });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const { accelerator, name } = machine;
  console.log(`   machine "${name}" is ${machine.readiness} after ${seconds} s (${accelerator})`);

  console.log("\n3. Ask the guest's REST API\n");
  const { client } = machine;
  console.log("   GET /os/name         ", await client.call("osName", {}, { signal }));
  console.log("   GET /os/version      ", await client.call("osVersion", {}, { signal }));
  console.log("   GET /os/memory/total ", await client.call("osMemoryTotal", {}, { signal }));
  const status = await client.call("programStatus", {}, { signal });
  console.log(
    "   GET /v1/program      ",
    `${status.state}, pid ${status.pid}, ports`,
    status.listening,
  );

  console.log("\n4. Ask the program itself\n");
  const url = machine.url(8080);
  const reply = await fetch(url, { signal });
  console.log(`   GET ${url} -> ${reply.status} ${(await reply.text()).trim()}`);
  const version = await machine.exec(["node", "--version"], { signal });
  console.log(`   exec node --version -> ${version.stdout.trim()}`);

  console.log("\n5. Stop it\n");
  for (const { step, ended, durationMs } of await machine.stop({ signal })) {
    console.log(
      `   ${step}: ${ended ? "the machine has ended" : "done"}, ${Math.round(durationMs)} ms`,
    );
  }
  const end = await machine.wait();
  console.log(`   the program ended with exit code ${end.exitCode}`);
}
console.log("\nThe machine is gone; the image stays: npx windlass images");
