/** Where Windlass's own guest files are: dist/guest of the package, whether run from dist or source. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ImageError } from "../errors.ts";

/** @throws {ImageError} WL_IMAGE_IO when the package was never built */
export function guestFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, "dist/guest");
    if (existsSync(join(candidate, "agent.js"))) return candidate;
    if (folder === dirname(folder)) break;
  }
  throw new ImageError("WL_IMAGE_IO", "Cannot find the guest agent: Windlass was not built", {
    next: 'Run "npm run build" in the checkout',
  });
}
