/**
 * A TypeScript entry becomes one JavaScript file in the same folder, so that paths relative to the
 * entry keep their meaning. Packages stay outside, in node_modules.
 *
 * Module kind as tsc would choose: .mts is ESM, .cts is CommonJS, .ts goes by package.json `type`. A
 * .ts that is CommonJS by that rule but uses top-level await or import.meta becomes ESM, as tsx runs
 * it.
 */
import { join, posix } from "node:path";
import type { BuildFailure, Message } from "esbuild";
import { ImageError } from "../errors.ts";

export interface Bundle {
  /** Relative to the project folder: the entry's path with .mjs or .cjs. */
  readonly path: string;
  readonly code: Uint8Array;
  /** The source map, for `path` + ".map". */
  readonly map: Uint8Array;
}

export interface BundleRequest {
  /** Real path of the project folder. */
  readonly folder: string;
  /** Relative to the folder. */
  readonly entry: string;
  /** `type` of package.json. */
  readonly packageType: "module" | "commonjs";
}

const TYPESCRIPT = /\.[cm]?tsx?$/;
/** The oldest Node that Windlass puts into an image. */
const TARGET = "node20";

export function isTypeScript(path: string): boolean {
  return TYPESCRIPT.test(path);
}

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID with file, line and column of the first problem */
export async function bundleTypeScript(request: BundleRequest): Promise<Bundle> {
  const { entry, packageType } = request;
  const isFree = !/\.[cm]ts$/.test(entry);
  const format = entry.endsWith(".mts") || (isFree && packageType === "module") ? "esm" : "cjs";
  if (format === "esm" || !isFree) return bundleAs(request, format);
  try {
    return await bundleAs(request, "cjs", true);
  } catch (error) {
    if (!(error instanceof NeedsEsm)) throw error;
    return bundleAs(request, "esm");
  }
}

class NeedsEsm extends Error {}

async function bundleAs(
  request: BundleRequest,
  format: "esm" | "cjs",
  mayChange = false,
): Promise<Bundle> {
  const { folder, entry } = request;
  const { build } = await import("esbuild");
  const path = entry.replace(TYPESCRIPT, format === "esm" ? ".mjs" : ".cjs");
  try {
    const result = await build({
      absWorkingDir: folder,
      entryPoints: [entry],
      outfile: join(folder, path),
      bundle: true,
      write: false,
      platform: "node",
      target: TARGET,
      format,
      packages: "external",
      // Stack traces then name the TypeScript line (node --enable-source-maps).
      sourcemap: "linked",
      sourcesContent: false,
      legalComments: "none",
      logLevel: "silent",
      logOverride: { "empty-import-meta": mayChange ? "warning" : "silent" },
    });
    if (mayChange && result.warnings.some(({ id }) => id === "empty-import-meta")) {
      throw new NeedsEsm();
    }
    const output = (extension: string): Uint8Array => {
      const file = result.outputFiles.find((item) => item.path.endsWith(extension));
      if (!file) throw new TypeError(`esbuild wrote no ${extension} file`);
      return file.contents;
    };
    return { path: posix.normalize(path), code: output(path), map: output(`${path}.map`) };
  } catch (cause) {
    const errors = (cause as Partial<BuildFailure>).errors;
    if (!errors) throw cause;
    if (mayChange && errors.every(({ text }) => /top-level await/i.test(text)))
      throw new NeedsEsm();
    throw bundleError(folder, entry, errors, cause);
  }
}

function bundleError(
  folder: string,
  entry: string,
  errors: readonly Message[],
  cause: unknown,
): ImageError {
  const first = errors[0];
  const place = first?.location;
  const at = place ? ` (${place.file}:${place.line}:${place.column + 1})` : "";
  const more = errors.length > 1 ? `, and ${errors.length - 1} more problems` : "";
  return new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `Cannot bundle ${entry}: ${first?.text ?? String(cause)}${at}${more}`,
    {
      file: place ? join(folder, place.file) : join(folder, entry),
      ...(place && { line: place.line, column: place.column + 1 }),
      next: "Correct the source",
    },
    cause,
  );
}
