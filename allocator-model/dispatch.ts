/** Which region a request goes to, and in which area its objects are seen: the rules of the three schemes. Pure. */
import { type AreaName, PAGE_BYTES, type SchemeName } from "./address-layout.ts";
import { fitsEarly } from "./early-objects.ts";
import { HALF_PAGE_BYTES } from "./half-pages.ts";

export type Region = "mempool" | "half-page" | "page" | "large" | "early" | "debug";

export interface DispatchRules {
  readonly scheme: SchemeName;
  /**
   * What the proposal's half pages are for. fit: whatever fits and is too large for the mempool; exact: objects
   * of half a page, as the proposal's text has it.
   */
  readonly halfPages: "fit" | "exact";
}

export const SMALLEST_OBJECT_BYTES = 8;
/** A quarter of a page, since a page has room for one object of half a page beside the header. */
export const LARGEST_SMALL_BYTES = 1024;
/** Before areas that was no reason. */
export const LARGEST_SMALL_BYTES_2013 = 2048;
const DEFAULT_ALIGNMENT = 16;

/**
 * @param size at least SMALLEST_OBJECT_BYTES
 * @param isBooting whether the CPUs are still down
 */
export function regionFor(
  { scheme, halfPages }: DispatchRules,
  size: number,
  alignment: number,
  isBooting: boolean,
): Region {
  // Alignment was none of its business: an aligned request asks for more.
  if (scheme === "offset-2013") {
    if (size > LARGEST_SMALL_BYTES_2013) return "large";
    return isBooting ? "early" : "mempool";
  }
  if (isBooting && fitsEarly(size, alignment)) return "early";
  // std_malloc of OSv: objects of a power of two are aligned to it.
  if (!isBooting && size <= LARGEST_SMALL_BYTES && alignment <= LARGEST_SMALL_BYTES)
    return "mempool";
  if (scheme === "proposal" && alignment <= HALF_PAGE_BYTES) {
    if (halfPages === "fit" ? size <= HALF_PAGE_BYTES : size === HALF_PAGE_BYTES)
      return "half-page";
  }
  return size <= PAGE_BYTES && alignment <= PAGE_BYTES ? "page" : "large";
}

/** Before areas, an aligned request was one for a larger object that happens to be aligned. */
export function minimumSize(scheme: SchemeName, size: number, alignment: number): number {
  const minimum = Math.max(size, SMALLEST_OBJECT_BYTES);
  if (scheme !== "offset-2013" || alignment <= minimum) return minimum;
  return alignment <= LARGEST_SMALL_BYTES_2013 ? alignment : Math.max(minimum, PAGE_BYTES);
}

/** malloc(3)'s: 16, or the size rounded up to a power of two. */
export function defaultAlignment(size: number): number {
  if (size >= DEFAULT_ALIGNMENT) return DEFAULT_ALIGNMENT;
  return 2 ** (32 - Math.clz32(Math.max(size, 1) - 1));
}

/** Where a region's objects are seen. */
export const areaNames: Readonly<Record<SchemeName, Readonly<Record<Region, AreaName>>>> = {
  "offset-2013": {
    mempool: "main",
    "half-page": "main",
    page: "main",
    large: "main",
    early: "main",
    debug: "main",
  },
  osv: {
    mempool: "mempool",
    "half-page": "page",
    page: "page",
    large: "main",
    early: "mempool",
    debug: "debug",
  },
  proposal: {
    mempool: "mempool",
    "half-page": "half-page",
    page: "page",
    large: "large",
    early: "early",
    debug: "debug",
  },
};
