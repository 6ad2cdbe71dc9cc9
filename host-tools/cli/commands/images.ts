/** `windlass images`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { type ImageView, imageView, shortId } from "../image-view.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";

const TITLES = ["NAME", "ID", "RUNTIME", "KERNEL", "PROGRAM", "SIZE"];

export const execute: Execute<"images"> = async ({ options, output }) => {
  const views = (await new ImageStore(windlassFolders().data).list()).map(imageView);
  if (options.json) await output.json(views);
  else if (options.quiet) await output.print(views.map(({ id }) => `${shortId(id)}\n`).join(""));
  else await output.print(tableText(TITLES, views.flatMap(rowsOf)));
  return 0;
};

/** One row a name; an image whose name went to another one has none. */
function rowsOf(view: ImageView): string[][] {
  const names = view.names.length > 0 ? view.names : ["<none>"];
  return names.map((name) => [
    name,
    shortId(view.id),
    view.runtime,
    view.kernel,
    bytesText(view.sizes["program"] ?? 0),
    bytesText(view.sizeBytes),
  ]);
}
