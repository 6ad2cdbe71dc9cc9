/** What a runtime is to the builder: how a project of its kind is known, and what of it goes into an image. */
import type { Manifest, ManifestProgram } from "../manifest/manifest.ts";
import type { Project } from "../project/project.ts";

/** As manifests name them, in the order in which a folder is asked whether it is of their kind. */
export const RUNTIME_NAMES = [
  "node",
  "deno",
  "bun",
  "go",
  "rust",
  "java",
  "python",
  "ruby",
  "wasm",
  "c",
  "native",
] as const;
export type RuntimeName = (typeof RUNTIME_NAMES)[number];

export interface RuntimeRequest {
  /** The project's folder, absolute. */
  readonly root: string;
  readonly manifest: Manifest;
  /** For what is kept between builds. */
  readonly cacheDirectory: string;
  readonly signal?: AbortSignal | undefined;
}

/** What an image has of a project and of its runtime; the libraries of `nativeAddons` are added to it. */
export interface RuntimeProject extends Project {
  readonly runtime: { readonly name: RuntimeName; readonly version: string };
  /** For the build's progress: "Python 3.11.2, this host's". */
  readonly detail: string;
  /** Under the manifest's own variables. */
  readonly env: Readonly<Record<string, string>>;
}

/** One per runtime but Node, which the project folder and the base share (node-runtime.ts). */
export interface Runtime {
  readonly name: RuntimeName;
  /** "Python" */
  readonly title: string;
  /** One sentence without a full stop: what of it an image has. */
  readonly summary: string;
  /** Files of a folder that say it is of this kind, the most telling first: "go.mod", "*.jar". */
  readonly markers: readonly string[];
  /** Debian packages that a build needs on the host. */
  readonly packages: readonly string[];
  /**
   * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when the host lacks what is needed, naming the package;
   *   WL_IMAGE_PROJECT_INVALID when the folder lacks something
   */
  collect(request: RuntimeRequest): Promise<RuntimeProject>;
  /** Files of a new project, by their path (windlass init). */
  starter(name: string): Readonly<Record<string, string>>;
  /** What its author does next, in its folder, where that is not `windlass run -p 8080 .`. */
  readonly starterUse?: string;
}

/** The command that the author wrote; undefined when the runtime is to find out itself. */
export function commandOf(program: ManifestProgram): readonly string[] | undefined {
  return program.kind === "command" ? program.argv : undefined;
}
