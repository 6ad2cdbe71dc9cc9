/**
 * A TypeScript entry becomes one JavaScript file in the same folder, so that paths relative to the
 * entry keep their meaning. Packages stay outside, in node_modules; only those whose code is TypeScript
 * itself, as a workspace's own libraries are, come into the file, because Node cannot run them.
 *
 * Module kind as tsc would choose: .mts is ESM, .cts is CommonJS, .ts goes by package.json `type`. A
 * .ts that is CommonJS by that rule but uses top-level await or import.meta becomes ESM, as tsx runs
 * it.
 */
import { existsSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import type { BuildFailure, Message, Plugin } from "esbuild";
import { ImageError } from "../errors.ts";
import { GUEST_LIBRARY } from "./guest-library.ts";

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
      plugins: [packagesOutside],
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

/** Keeps esbuild's own resolution from asking the plugin again. */
const RESOLVING = Symbol("resolving");

/** As `packages: "external"`, except for packages that are TypeScript outside of node_modules. */
const packagesOutside: Plugin = {
  name: "packages-outside",
  setup(build) {
    // Neither relative nor absolute: a package, or an alias of tsconfig.json.
    build.onResolve(
      { filter: /^[^./]/ },
      async ({ path, kind, importer, resolveDir, pluginData }) => {
        if (pluginData === RESOLVING || kind === "entry-point") return undefined;
        if (path === GUEST_LIBRARY) return { path, external: true };
        const options = { kind, importer, resolveDir, pluginData: RESOLVING };
        const found = await build.resolve(path, options);
        const isSource = found.errors.length === 0 && !found.external && found.path !== "";
        if (isSource && !/[\\/]node_modules[\\/]/.test(found.path)) {
          const isAlias = !isPackage(path, resolveDir);
          if (isAlias || isTypeScript(found.path)) return { path: found.path };
        }
        return { path, external: true };
      },
    );
  },
};

/** Whether a folder above has the package in its node_modules, where Node will find it. */
function isPackage(specifier: string, from: string): boolean {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "node_modules", name))) return true;
    if (folder === dirname(folder)) return false;
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
