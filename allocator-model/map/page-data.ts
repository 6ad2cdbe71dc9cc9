/** How a history stands in the page for a browser. */
import type { PageHistory } from "./page-history.ts";

export interface PageData extends Omit<PageHistory, "changes"> {
  /** As zlib, in base64. */
  readonly changes: string;
}
