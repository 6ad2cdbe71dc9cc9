/** Reads the history that the page was made with. */
import type { PageData } from "../page-data.ts";
import type { PageHistory } from "../page-history.ts";

export async function readHistory(element: HTMLElement): Promise<PageHistory> {
  const data = JSON.parse(element.textContent ?? "") as PageData;
  const bytes = Uint8Array.from(atob(data.changes), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return { ...data, changes: new Uint8Array(await new Response(stream).arrayBuffer()) };
}
