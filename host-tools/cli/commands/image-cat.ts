/** `windlass image cat`. */
import { posix } from "node:path";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { openImageFiles } from "../image-files.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"image cat"> = async ({ operands, output, signal }) => {
  const [reference = "", path = "/"] = operands;
  const store = new ImageStore(windlassFolders().data);
  await using image = await openImageFiles(store, await store.get(reference));
  for await (const piece of image.read(posix.resolve("/", path), signal)) await output.print(piece);
  return 0;
};
