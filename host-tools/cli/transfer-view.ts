/** How transfers to and from registries are shown. */
import type { TransferredPart } from "../../image-builder/registry/image-push.ts";
import type { TransferProgress } from "../../image-builder/registry/layout-pull.ts";
import type { Output } from "./output.ts";
import { bytesText } from "./quantity-text.ts";

const WORDS: Readonly<Record<TransferredPart["how"], string>> = {
  sent: "sent",
  fetched: "fetched",
  present: "there already",
  mounted: "taken over from another repository",
};

/** "base          38.2 MiB, sent" */
export function partLine({ name, sizeBytes, how }: TransferredPart): string {
  return `${name.padEnd(16)} ${bytesText(sizeBytes)}, ${WORDS[how]}`;
}

/** Draws what is on its way; only on a terminal. */
export function showProgress(output: Output): (progress: TransferProgress) => void {
  return ({ doneBytes, totalBytes }) =>
    output.draft(`${bytesText(doneBytes)} of ${bytesText(totalBytes)}`);
}
