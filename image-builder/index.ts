/** `windlass/image`: a program's folder becomes a bootable image. */
export {
  type BuildOptions,
  type BuildProgress,
  type BuildResult,
  build,
  DEFAULT_MEMORY_MIB,
} from "./build-image.ts";
export { ImageError, type ImageErrorCode } from "./errors.ts";
export type { WindlassFile } from "./manifest/windlass-file.ts";
export { type Folders, windlassFolders } from "./store/folders.ts";
export { type Image, type ImageConfig, imageParts, type Part } from "./store/image.ts";
export { ImageStore, type PruneReport } from "./store/image-store.ts";
