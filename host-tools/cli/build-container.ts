/** `windlass build --from`: which container image is meant, and its build with progress as of a project's. */
import {
  buildFromArchive,
  buildFromLayout,
  type ContainerBuildOptions,
} from "../../image-builder/build-container.ts";
import type { BuildResult } from "../../image-builder/build-image.ts";
import { buildFromRegistry } from "../../image-builder/registry/registry-build.ts";
import { HostError } from "../errors.ts";
import { progressLine } from "./build-project.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable-text.ts";

export interface ContainerBuild {
  /** oci-layout:DIR[:REF], docker-archive:FILE[:REF], or a reference of a registry. */
  readonly from: string;
  readonly name?: string | undefined;
  readonly kernel?: string | undefined;
  readonly output: Output;
  /** No progress, no warnings. */
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/** @throws {ImageError}; {HostError} WL_USAGE; or the signal's reason */
export async function buildContainer(request: ContainerBuild): Promise<BuildResult> {
  const { from, name, kernel, output, quiet, signal } = request;
  const options: ContainerBuildOptions = {
    ...{ name, kernel, signal },
    ...(quiet
      ? {}
      : {
          onStep: (step) => output.draft(`${step.padEnd(8)} ...`),
          onProgress: (progress) => output.note(progressLine(progress)),
        }),
  };
  const result = await buildFrom(from, options);
  if (quiet) return result;
  for (const warning of result.warnings) output.note(`warning: ${printableLine(warning)}`);
  return result;
}

async function buildFrom(from: string, options: ContainerBuildOptions): Promise<BuildResult> {
  const layout = localSource(from, "oci-layout");
  if (layout) {
    const { path, reference } = layout;
    return await buildFromLayout({ ...options, layoutFolder: path, reference });
  }
  const archive = localSource(from, "docker-archive");
  if (archive) {
    const { path, reference } = archive;
    return await buildFromArchive({ ...options, archiveFile: path, reference });
  }
  return await buildFromRegistry({ ...options, reference: from });
}

/** What stands behind the first colon of a path is the reference, which may hold further ones. */
function localSource(
  from: string,
  kind: string,
): { readonly path: string; readonly reference?: string | undefined } | undefined {
  if (!from.startsWith(`${kind}:`)) return undefined;
  const rest = from.slice(kind.length + 1);
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const reference = colon < 0 ? undefined : rest.slice(colon + 1);
  if (path !== "" && reference !== "") return { path, reference };
  throw new HostError(
    "WL_USAGE",
    `"${from}" names no ${kind === "oci-layout" ? "folder" : "file"}`,
    {
      next: `Write ${kind}:PATH, or ${kind}:PATH:NAME for one of several images`,
    },
  );
}
