/**
 * Capstanfile, the manifest of Capstan (OSv's tool): `cmdline`, `files` and `rootfs` are understood.
 * `base`, `build` and `rpm-base` name things that Windlass does not have, and are refused.
 *
 * Capstan's files start at "/"; ours start at /app, where the program lives. Words of the command
 * line that name such a file follow it there.
 */
import { existsSync, statSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import { type Static, Type } from "typebox";
import { CommandLineError, splitCommandLine } from "./command-line.ts";
import type { PlacedFile } from "./manifest.ts";
import { documentError, type PositionedDocument } from "./positioned-document.ts";
import { checkDocument, type JsonSchema } from "./schema-check.ts";
import type { Settings } from "./settings.ts";

const APP = "/app";

const Capstanfile = Type.Object(
  {
    base: Type.Optional(Type.Unknown()),
    build: Type.Optional(Type.Unknown()),
    "rpm-base": Type.Optional(Type.Unknown()),
    cmdline: Type.String({ minLength: 1, errorMessage: "must be a command line" }),
    files: Type.Optional(
      Type.Record(Type.String({ pattern: "^/" }), Type.String({ minLength: 1 }), {
        errorMessage: "must map absolute guest paths to host paths",
      }),
    ),
    rootfs: Type.Optional(Type.String({ minLength: 1, errorMessage: "must be a folder" })),
  },
  { additionalProperties: false, errorMessage: 'must map keys to values and hold "cmdline"' },
);
type Capstanfile = Static<typeof Capstanfile>;

const REFUSED: Readonly<Record<"base" | "build" | "rpm-base", string>> = {
  base: "Remove it: Windlass brings kernel and runtime itself",
  build: "Run the command before windlass build and remove the key",
  "rpm-base": 'Unpack the package and list what you need under "files"',
};

/** @throws {ImageError} naming key, file, line and column */
export function settingsOfCapstanfile(document: PositionedDocument, folder: string): Settings {
  checkDocument(Capstanfile as JsonSchema, document);
  const file = document.value as Capstanfile;
  for (const [key, next] of Object.entries(REFUSED)) {
    if (file[key as keyof typeof REFUSED] === undefined) continue;
    const message = `Key ${JSON.stringify(key)} in ${document.file} is not supported`;
    throw documentError(document, [key], message, next, "key");
  }
  const placed = placedFiles(file, document, folder);
  return { program: programOf(file, document, placed), placed };
}

/** OSv starts programs by path, `/app.so --flag`; leading `--env=K=V` words are options of OSv. */
function programOf(
  file: Capstanfile,
  document: PositionedDocument,
  placed: readonly PlacedFile[],
): Settings["program"] & object {
  const words = ((): string[] => {
    try {
      return splitCommandLine(file.cmdline);
    } catch (error) {
      if (!(error instanceof CommandLineError)) throw error;
      const message = `"cmdline" in ${document.file}: ${error.message}`;
      throw documentError(document, ["cmdline"], message);
    }
  })();
  if (!words[0] || words[0].startsWith("--")) {
    const message = `"cmdline" in ${document.file} does not start with a command`;
    const next = "Start it with the path of the program; options of OSv have no meaning here";
    throw documentError(document, ["cmdline"], message, next);
  }
  const isPlaced = (guestPath: string): boolean =>
    placed.some((file) => {
      if (file.guestPath === guestPath) return true;
      if (!guestPath.startsWith(`${file.guestPath}/`)) return false;
      return existsSync(join(file.hostPath, guestPath.slice(file.guestPath.length)));
    });
  const moved = words.map((word) => {
    const guestPath = posix.join(APP, word);
    return word.startsWith("/") && isPlaced(guestPath) ? guestPath : word;
  });
  // Capstan's Node packages hold the runtime as a shared object.
  if (/^\/(lib)?node(\.so)?$/.test(moved[0] ?? "")) moved[0] = "node";
  return { kind: "command", argv: moved };
}

function placedFiles(
  file: Capstanfile,
  document: PositionedDocument,
  folder: string,
): PlacedFile[] {
  const placed: PlacedFile[] = [];
  // Capstan copies the folder ROOTFS when nothing is said, and needs one that is named.
  const rootfs = resolve(folder, file.rootfs ?? "ROOTFS");
  const isFolder = statSync(rootfs, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (isFolder) placed.push({ hostPath: rootfs, guestPath: APP });
  else if (file.rootfs !== undefined) {
    const message = `"rootfs" in ${document.file} is not a folder: ${JSON.stringify(file.rootfs)}`;
    throw documentError(document, ["rootfs"], message, "Create the folder or remove the key");
  }
  for (const [guestPath, source] of Object.entries(file.files ?? {})) {
    const hostPath = resolve(folder, source.replaceAll("&", posix.basename(guestPath)));
    if (!existsSync(hostPath)) {
      const message = `"files" in ${document.file} names a missing file: ${hostPath}`;
      throw documentError(document, ["files", guestPath], message, "Create it or remove the line");
    }
    placed.push({ hostPath, guestPath: posix.join(APP, guestPath) });
  }
  return placed;
}
