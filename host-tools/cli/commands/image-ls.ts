/** `windlass image ls`. */
import { posix } from "node:path";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { type ImageFile, openImageFiles } from "../image-files.ts";
import type { Execute } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";
import { bytesText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";

export const execute: Execute<"image ls"> = async ({ options, operands, output }) => {
  const [reference = "", path = "/"] = operands;
  const store = new ImageStore(windlassFolders().data);
  await using image = await openImageFiles(store, await store.get(reference));
  const files = await image.list(posix.resolve("/", path));
  if (options.json) await output.json(files);
  else if (options.long) await output.print(longListing(files));
  else await output.print(files.map((file) => `${printableLine(markedName(file))}\n`).join(""));
  return 0;
};

function longListing(files: readonly ImageFile[]): string {
  const rows = files.map((file) => [
    modeText(file),
    bytesText(file.sizeBytes),
    file.part,
    file.target === undefined ? markedName(file) : `${file.name} -> ${file.target}`,
  ]);
  return tableText(["MODE", "SIZE", "PART", "NAME"], rows);
}

function markedName({ name, kind }: ImageFile): string {
  return kind === "directory" ? `${name}/` : name;
}

const KIND_LETTERS = { file: "-", directory: "d", symlink: "l", other: "?" } as const;

/** "-rwxr-xr-x", as ls(1) writes it: s and t for set-user-id, set-group-id and sticky. */
function modeText({ kind, mode }: ImageFile): string {
  const bits = [..."rwxrwxrwx"].map((letter, index) => (mode & (0o400 >> index) ? letter : "-"));
  for (const [place, bit, letter] of [
    [2, 0o4000, "s"],
    [5, 0o2000, "s"],
    [8, 0o1000, "t"],
  ] as const) {
    if (mode & bit) bits[place] = bits[place] === "x" ? letter : letter.toUpperCase();
  }
  return KIND_LETTERS[kind] + bits.join("");
}
