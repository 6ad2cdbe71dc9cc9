/** Where the sources of the case programs are, whether run from dist or source. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HostError } from "../../errors.ts";

const FOLDER = "host-tools/conformance/runtime/programs";

/** @throws {HostError} WL_CONFORMANCE_FAILED when they are not there */
export function programSource(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, FOLDER, name);
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) break;
  }
  throw new HostError("WL_CONFORMANCE_FAILED", `Cannot find ${name}: Windlass is not whole`, {
    next: "Install the package again",
  });
}
