/** How the map shows the owners of pages, by their code: as text and in the browser. Pure. */
import type { AddressLayout } from "../address-layout.ts";
import { areaNames } from "../dispatch.ts";
import { type PageOwner, pageOwnerNames } from "../page-owners.ts";

/** What stands for a page in the text map, and in the cells of the page grid. */
const letters: Readonly<Record<PageOwner, string>> = {
  free: ".",
  cached: "c",
  mempool: "m",
  "half-page": "h",
  page: "p",
  large: "L",
  early: "e",
  debug: "d",
};

export const ownerUses: Readonly<Record<PageOwner, string>> = {
  free: "nobody",
  cached: "free, in a page pool of a CPU or of all",
  mempool: "small objects, many a page",
  "half-page": "two objects a page",
  page: "one object a page",
  large: "objects of several pages",
  early: "objects from before the CPUs were up",
  debug: "the debug allocator",
};

export function ownerLetter(code: number): string {
  return letters[pageOwnerNames[code] ?? "free"];
}

/** @returns the number of the area that an owner's objects are seen in; undefined for pages without any */
export function areaOfOwner(layout: AddressLayout, owner: PageOwner): number | undefined {
  if (owner === "free" || owner === "cached") return undefined;
  const name = areaNames[layout.scheme][owner];
  return layout.areas.findIndex((area) => area.name === name);
}
