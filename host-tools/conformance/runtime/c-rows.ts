/** C: with the shared libraries of the system, and as one static file. */
import { join } from "node:path";
import type { Row } from "../suite.ts";
import { buildProgram } from "./program-build.ts";
import { C_PACKAGES, programRow } from "./program-row.ts";
import { programSource } from "./program-sources.ts";

const WARNINGS = ["-std=gnu11", "-O1", "-Wall", "-pthread"];

function cRow(id: string, title: string, flags: readonly string[]): Row {
  return programRow({
    ...{ id, title },
    async build({ files, signal }) {
      const source = programSource("program.c");
      const out = ["-o", join(files, "program")];
      const argv = ["gcc", ...WARNINGS, ...flags, ...out, source, "-lresolv"];
      const missing = await buildProgram({ argv, folder: files, packages: C_PACKAGES }, { signal });
      return missing ?? ((place) => [`${place}/program`]);
    },
  });
}

export const cDynamicRow = cRow("c-dynamic", "C, shared libraries", []);
export const cStaticRow = cRow("c-static", "C, static", ["-static", "-DSTATIC_PROGRAM"]);
