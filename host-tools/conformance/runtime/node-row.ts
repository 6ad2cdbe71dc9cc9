/** Node: that which runs Windlass, on the host; the guest's own. */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { programRow } from "./program-row.ts";
import { programSource } from "./program-sources.ts";

export const nodeRow = programRow({
  id: "node",
  title: "Node",
  async build({ files, target }) {
    for (const name of ["program.mjs", "worker.cjs"]) {
      await copyFile(programSource(name), join(files, name));
    }
    return { argv: (place) => [target.nodePath, `${place}/program.mjs`] };
  },
});
