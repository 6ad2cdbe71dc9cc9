/** The script and style of the page that `windlass alloc map` writes: built with Windlass, or made from source. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildOptions } from "esbuild";
import type { PageParts } from "../../allocator-model/map/html-page.ts";
import { HostError } from "../errors.ts";

/** Beside the built library. */
const SCRIPT = "allocator-model/map-page.js";
const STYLE = "allocator-model/map-page.css";
const SOURCE = "allocator-model/map/page";

/** For the build, which adds where the files go; and for `pageParts`. */
export const mapPageBuild = {
  entryPoints: { "map-page": `${SOURCE}/main.ts` },
  bundle: true,
  format: "iife",
  platform: "browser",
  target: ["es2022", "chrome110", "firefox113", "safari16.4"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
} as const satisfies BuildOptions;

/** @throws {HostError} WL_HOST_IO when the installation lacks them */
export async function pageParts(): Promise<PageParts> {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, SCRIPT))) {
      const [script, style] = await Promise.all(
        [SCRIPT, STYLE].map((name) => readFile(join(folder, name), "utf8")),
      );
      return { script: script ?? "", style: style ?? "" };
    }
    if (existsSync(join(folder, SOURCE))) return await fromSource(folder);
    if (folder === dirname(folder)) break;
  }
  throw new HostError("WL_HOST_IO", "Cannot find the map's page: Windlass is not whole", {
    next: "Install Windlass again",
  });
}

async function fromSource(root: string): Promise<PageParts> {
  const { build } = await import("esbuild");
  const outdir = join(root, "dist");
  const options = { ...mapPageBuild, absWorkingDir: root, outdir, write: false } as const;
  const { outputFiles } = await build(options);
  const textOf = (extension: string): string =>
    outputFiles.find(({ path }) => path.endsWith(extension))?.text ?? "";
  return { script: textOf(".js"), style: textOf(".css") };
}
