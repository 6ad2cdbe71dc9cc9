/**
 * The library that programs import to hear of templates and clones. Every base brings it
 * (base-tree.ts), so that an image never holds it a second time, nor all of Windlass with it.
 */
export const GUEST_LIBRARY_PACKAGE = "windlass";
export const GUEST_LIBRARY = "windlass/guest";
