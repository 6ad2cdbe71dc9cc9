import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { AGENT_ERROR_STATUS } from "../../../guest/agent/agent-error.ts";
import { suite } from "../../support/suite.ts";

const root = join(import.meta.dirname, "../../..");
const test = suite("error table of ARCHITECTURE.md");

test("lists the codes of all error classes, no more and no less", async () => {
  const documented = (await tableRows()).map(([code = ""]) => code);
  const sources = await Promise.all(
    ["host-tools/errors.ts", "image-builder/errors.ts", "allocator-model/allocator-error.ts"].map(
      (path) => readFile(join(root, path), "utf8"),
    ),
  );
  const codes = sources.flatMap((text) => [...text.matchAll(/\| "(WL_\w+)"/g)].map(([, c]) => c));
  const own = documented.filter((code) => !code.startsWith("WL_AGENT_"));
  assert.equal(own.sort(), codes.sort());
});

test("lists the agent's codes with the status they are sent with", async () => {
  const rows = (await tableRows()).filter(([code = ""]) => code.startsWith("WL_AGENT_"));
  const documented = Object.fromEntries(rows.map(([code, status]) => [code, Number(status)]));
  assert.equal(documented, { ...AGENT_ERROR_STATUS });
});

async function tableRows(): Promise<string[][]> {
  const text = await readFile(join(root, "ARCHITECTURE.md"), "utf8");
  return [...text.matchAll(/^\| `(WL_\w+)` \| (.+) \|$/gm)].map(([, code = "", rest = ""]) => [
    code,
    rest,
  ]);
}

test.run();
