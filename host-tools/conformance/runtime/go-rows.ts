/** Go: static, as its programs are, and with C. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import type { Row } from "../suite.ts";
import { buildProgram } from "./program-build.ts";
import { C_PACKAGES, programRow } from "./program-row.ts";
import { programSource } from "./program-sources.ts";
import { libraryEnv, putLibraries } from "./row-files.ts";

const PACKAGES = ["golang-go"];

function goRow(id: string, title: string, usesC: boolean): Row {
  return programRow({
    ...{ id, title },
    async build({ folder, files, signal }) {
      const program = join(files, "program");
      const sources = ["program.go", usesC ? "library_c.go" : "library_none.go"];
      const flags = ["-trimpath", "-buildvcs=false", "-ldflags=-s", "-o", program];
      const argv = ["go", "build", ...flags, ...sources.map(programSource)];
      const buildCache = join(windlassFolders().cache, "go/build-cache");
      await mkdir(buildCache, { recursive: true });
      const env = {
        // No network, no module of the folder above, and nothing of the user's settings.
        ...{ GOPROXY: "off", GOTOOLCHAIN: "local", GO111MODULE: "off", GOFLAGS: "", GOENV: "off" },
        ...{ GOPATH: join(folder, "go"), GOCACHE: buildCache, CGO_ENABLED: usesC ? "1" : "0" },
      };
      const packages = usesC ? [...PACKAGES, ...C_PACKAGES] : PACKAGES;
      const missing = await buildProgram({ argv, folder: files, env, packages }, { signal });
      if (missing) return missing;
      await putLibraries([program], files);
      return { argv: (place) => [`${place}/program`], env: libraryEnv };
    },
  });
}

export const goStaticRow = goRow("go", "Go, static", false);
export const goCgoRow = goRow("go-cgo", "Go, with C", true);
