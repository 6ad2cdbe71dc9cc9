/** What a project's own files say of it: the packages it needs, the Python it wants, its commands. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ImageError } from "../errors.ts";
import { readTextFile } from "../manifest/text-file.ts";
import { parseToml, type TomlTable } from "../manifest/toml-document.ts";
import { isInside } from "../project/tree-walk.ts";

export interface PythonProject {
  /** As written, for example `flask>=2; python_version < "4"`. */
  readonly requirements: readonly string[];
  /** The file that they stand in. */
  readonly requirementsFile: string | undefined;
  /** Of `requires-python` or `.python-version`. */
  readonly range: string | undefined;
  /** Commands that it installs: name to "package.module:function". */
  readonly scripts: Readonly<Record<string, string>>;
}

const FILE_MAX_BYTES = 1 << 20;
/** Requirement files name each other. */
const FILES_MAX = 32;

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID for a pyproject.toml that cannot be read */
export function readPythonProject(root: string): PythonProject {
  const file = join(root, "pyproject.toml");
  const text = readTextFile(file, FILE_MAX_BYTES);
  const toml = text === undefined ? {} : parsed(file, text);
  const project = tableOf(toml["project"]);
  const declared = textsOf(project["dependencies"]);
  const list = join(root, "requirements.txt");
  const listed = existsSync(list) ? readRequirements(root, list) : [];
  const wanted = project["requires-python"];
  const pinned = readTextFile(join(root, ".python-version"), FILE_MAX_BYTES)?.trim() ?? "";
  return {
    requirements: [...new Set([...listed, ...declared])],
    requirementsFile: listed.length > 0 ? list : declared.length > 0 ? file : undefined,
    range: /^3(\.[0-9]+){1,2}$/.test(pinned)
      ? pinned
      : typeof wanted === "string"
        ? wanted
        : undefined,
    scripts: Object.fromEntries(
      Object.entries(tableOf(project["scripts"])).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      ),
    ),
  };
}

/** pip's format, as far as it names packages; `-r` is followed inside the project. */
export function readRequirements(root: string, file: string): string[] {
  const requirements: string[] = [];
  const files = [file];
  for (const path of files) {
    const text = readTextFile(path, FILE_MAX_BYTES) ?? "";
    for (const line of text.replaceAll(/\\\r?\n/g, " ").split(/\r?\n/)) {
      const words = line.replace(/(^|\s)#.*$/, "").trim();
      const further = /^(?:-r|--requirement)[ =]?\s*(\S+)$/.exec(words)?.[1];
      if (further !== undefined) {
        const next = resolve(dirname(path), further);
        if (isInside(root, next) && !files.includes(next) && files.length < FILES_MAX) {
          files.push(next);
        }
      } else if (words !== "" && !words.startsWith("-")) {
        requirements.push(
          words.replace(/\s--(hash|global-option|config-settings)[ =].*$/, "").trim(),
        );
      }
    }
  }
  return requirements;
}

function parsed(file: string, text: string): TomlTable {
  try {
    return parseToml(text);
  } catch (cause) {
    throw new ImageError(
      "WL_IMAGE_PROJECT_INVALID",
      `Cannot read ${file}: ${(cause as Error).message}`,
      { file, next: "Correct the file" },
      cause,
    );
  }
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
  return isTable ? (value as Record<string, unknown>) : {};
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
