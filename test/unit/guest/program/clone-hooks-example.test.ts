import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";
import { CLONE, preloadedProgram } from "./preloaded-program.ts";

const test = suite("examples/clone-hooks");
const folder = join(import.meta.dirname, "../../../../examples/clone-hooks");

interface Reply {
  readonly counter: number;
  readonly connections: number;
  readonly wakes: number;
  readonly booted: unknown;
  readonly machine: { readonly late: string; readonly context: { readonly instance: unknown } };
  readonly uuid: string;
  readonly integer: number;
  readonly random: number;
  readonly bytes: string;
}

test("its connections and its file survive a template, and its numbers are new", async ({
  signal,
}) => {
  await using program = await preloadedProgram(
    { folder },
    { name: "server.js", env: { PORT: "0", STORE: "store" } },
  );
  const port = /\d+$/.exec((await program.line()) ?? "")?.[0];
  const ask = async (): Promise<Reply> => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal });
    return (await response.json()) as Reply;
  };
  const first = await ask();
  assert.equal([first.counter, first.connections, first.wakes], [1, 4, 0]);
  for (const wakes of [1, 2]) {
    assert.equal(await program.arm(signal), { ok: true });
    // It is answered when the program is awake.
    const asked = ask();
    program.wake(CLONE);
    const reply = await asked;
    assert.equal([reply.counter, reply.connections, reply.wakes], [wakes + 1, 4, wakes]);
    assert.equal(reply.booted, first.booted);
    assert.equal(reply.machine.context.instance, CLONE.instance);
    assert.is(reply.machine.late, "bound");
    for (const key of ["uuid", "integer", "random", "bytes"] as const) {
      assert.is.not(reply[key], first[key], key);
    }
  }
});

test.run();
