/**
 * Reads what a project folder offers and gives one validated Manifest. Order: windlass.config.ts,
 * windlass.yaml / .yml / .json, Capstanfile, package.json. What the first one leaves open is found
 * out from package.json and the files of the folder.
 */
import { lstatSync, type Stats, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import schema from "../../windlass.schema.json" with { type: "json" };
import { ImageError } from "../errors.ts";
import { ioError } from "../runtimes/io-error.ts";
import { type FoundRuntime, foundRuntimes } from "../runtimes/runtimes.ts";
import { type EntryPoint, findEntryPoint, locate } from "./entry-point.ts";
import type { Manifest, ManifestProgram } from "./manifest.ts";
import { imageNameOf, type PackageJson, readPackageJson } from "./package-json.ts";
import {
  documentError,
  type PositionedDocument,
  parseJsonDocument,
} from "./positioned-document.ts";
import { checkDocument, type JsonSchema } from "./schema-check.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { readTextFile } from "./text-file.ts";
import type { WindlassFile } from "./windlass-file.ts";

/** The files that hold a Windlass manifest; a folder has at most one. */
export const WINDLASS_FILES = [
  "windlass.config.ts",
  "windlass.yaml",
  "windlass.yml",
  "windlass.json",
] as const;

const CAPSTANFILE = "Capstanfile";
/** A manifest is read whole; a larger file is something else. */
const MAX_MANIFEST_BYTES = 1 << 20;

export interface LoadOptions {
  readonly signal?: AbortSignal;
}

/**
 * @param folder path of the project
 * @throws {ImageError} WL_IMAGE_MANIFEST_INVALID with file, line and column; WL_IMAGE_PROJECT_INVALID
 *   when the folder holds nothing that can run
 */
export async function loadManifest(folder: string, options: LoadOptions = {}): Promise<Manifest> {
  const root = resolve(folder);
  const facts = factsOf(root, statSync);
  if (!facts?.isDirectory()) {
    const message = facts ? `${root} is no folder and no program` : `There is no folder ${root}`;
    const next = "Name the folder of the project";
    throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, { next });
  }
  const file = chooseFile(root);
  const settings = file === undefined ? {} : await readSettings(root, file, options);
  options.signal?.throwIfAborted();
  const packageJson = readPackageJson(join(root, "package.json"));
  return complete(root, file, settings, packageJson);
}

function chooseFile(root: string): string | undefined {
  // Whatever has such a name is meant: one that is no file, or leads nowhere, is not passed over.
  const exists = (name: string): boolean => factsOf(join(root, name), lstatSync) !== undefined;
  const [first, second] = WINDLASS_FILES.filter(exists);
  if (first !== undefined && second !== undefined) {
    const message = `${root} holds both ${first} and ${second}`;
    const next = "Keep one of them";
    throw new ImageError("WL_IMAGE_MANIFEST_INVALID", message, { file: join(root, second), next });
  }
  return first ?? (exists(CAPSTANFILE) ? CAPSTANFILE : undefined);
}

/** What parses YAML and TypeScript is loaded when needed, so that a plain package.json never pays for them. */
async function readSettings(root: string, name: string, options: LoadOptions): Promise<Settings> {
  const file = join(root, name);
  const document = await readDocument(file, readText(file), options);
  if (name === CAPSTANFILE) {
    const { settingsOfCapstanfile } = await import("./capstanfile.ts");
    return settingsOfCapstanfile(document, root);
  }
  checkDocument(schema as JsonSchema, document);
  const settings = settingsOf(document.value as WindlassFile, document, root);
  checkIncluded(settings, document);
  if (settings.program?.kind !== "script") return settings;
  const entry = locate(root, settings.program.entry);
  if (entry !== undefined) return { ...settings, program: { ...settings.program, entry } };
  const message = `"entry" in ${file} names a missing file: ${settings.program.entry}`;
  const next = "Correct it, or build the project first";
  throw documentError(document, ["entry"], message, next);
}

/** @throws {ImageError} WL_IMAGE_MANIFEST_INVALID with the place of the first that is not there */
function checkIncluded({ include = [] }: Settings, document: PositionedDocument): void {
  for (const [index, { hostPath }] of include.entries()) {
    if (factsOf(hostPath, statSync) !== undefined) continue;
    const message = `"include" in ${document.file} names what is not there: ${hostPath}`;
    throw documentError(document, ["include", index], message, "Correct it, or make the file");
  }
}

async function readDocument(
  file: string,
  text: string,
  options: LoadOptions,
): Promise<PositionedDocument> {
  if (file.endsWith(".json")) return parseJsonDocument(file, text);
  if (file.endsWith(".ts")) {
    const { loadConfigModule } = await import("./config-module.ts");
    return loadConfigModule(file, text, options);
  }
  const { parseYamlDocument } = await import("./yaml-document.ts");
  return parseYamlDocument(file, text);
}

function readText(file: string): string {
  const text = readTextFile(file, MAX_MANIFEST_BYTES);
  if (text !== undefined) return text;
  const message = `Cannot read ${file}: it is a link that leads nowhere`;
  const next = "Remove the link, or make its target";
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, { file, next });
}

/** @throws {ImageError} WL_IMAGE_IO when the folder may not be searched, and the like */
function factsOf(path: string, look: typeof statSync): Stats | undefined {
  try {
    return look(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw ioError("read", path, cause);
  }
}

/** Fills in what the settings leave open. */
function complete(
  root: string,
  file: string | undefined,
  settings: Settings,
  packageJson: PackageJson | undefined,
): Manifest {
  const found = settings.runtime === undefined ? foundRuntimes(root) : [];
  const runtime = settings.runtime ?? found[0]?.name ?? "node";
  const others = found.filter(({ name, isTelling }) => isTelling && name !== runtime);
  if (file === undefined && packageJson === undefined && runtime === "node") {
    throw new ImageError(
      "WL_IMAGE_PROJECT_INVALID",
      `There is no package.json in ${root}, no windlass.yaml, and no file that tells another runtime`,
      { next: "Name the folder of a project, or create one with windlass init" },
    );
  }
  const isNode = runtime === "node";
  const detected =
    settings.program || !isNode ? undefined : findEntryPoint(root, packageJson, others);
  const name =
    settings.name ??
    (packageJson?.name === undefined ? undefined : imageNameOf(packageJson.name)) ??
    imageNameOf(basename(root)) ??
    "app";
  const runtimeRange = settings.runtimeRange ?? (isNode ? packageJson?.nodeRange : undefined);
  const { memoryMib, cpus, scratch, health, hooks, template, kernel, placed } = settings;
  return {
    name,
    source: file === undefined && !packageJson ? root : join(root, file ?? "package.json"),
    program: settings.program ?? defaultProgram(detected),
    runtime,
    isolation: settings.isolation ?? "process",
    include: settings.include ?? [],
    args: settings.args ?? detected?.args ?? [],
    env: { ...detected?.env, ...settings.env },
    workdir: settings.workdir ?? "/app",
    user: settings.user ?? "0",
    ...(runtimeRange !== undefined && { runtimeRange }),
    files: settings.files ?? { include: [], exclude: [] },
    ...(placed !== undefined && { placed }),
    ...(memoryMib !== undefined && { memoryMib }),
    ...(cpus !== undefined && { cpus }),
    ...(hooks !== undefined && { hooks }),
    ...(scratch !== undefined && { scratch }),
    ...(template !== undefined && { template }),
    ports: settings.ports ?? [],
    ...(health !== undefined && { health }),
    restart: settings.restart ?? { policy: "no", maxRetries: 0 },
    onExit: settings.onExit ?? "poweroff",
    platform: "linux",
    ...(kernel !== undefined && { kernel }),
    warnings: detected?.warnings ?? choiceWarnings(found[0], others),
  };
}

/** A package.json says that a folder is Node's, or is there for tools: neither is worth a word. */
function choiceWarnings(chosen: FoundRuntime | undefined, all: readonly FoundRuntime[]): string[] {
  const others = all.filter(({ name }) => name !== "node");
  if (!chosen || chosen.name === "node" || others.length === 0) return [];
  const files = others.map(({ name, file }) => `${file} (${name})`).join(", ");
  return [
    `This is built as ${chosen.name} because of ${chosen.file}, though there is ${files}; "runtime" in windlass.yaml chooses`,
  ];
}

function defaultProgram(detected: EntryPoint | undefined): ManifestProgram {
  if (!detected) return { kind: "default" };
  return { kind: "script", entry: detected.entry, nodeFlags: detected.nodeFlags };
}
