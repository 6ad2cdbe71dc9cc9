/** The files of an image as its guest sees them: the program's tree over the base. */
import { posix } from "node:path";
import { ImageError } from "../../image-builder/errors.ts";
import {
  type ErofsReader,
  type ErofsStat,
  openErofs,
} from "../../image-builder/filesystems/erofs-reader.ts";
import type { Image } from "../../image-builder/store/image.ts";
import type { ImageStore } from "../../image-builder/store/image-store.ts";

export interface ImageFile extends ErofsStat {
  readonly name: string;
  /** Which of the two holds it; the program's wins. */
  readonly part: "program" | "base";
  /** Of a symlink. */
  readonly target?: string;
}

export interface ImageFiles extends AsyncDisposable {
  /** The members of a folder, or the file itself. @throws {ImageError} WL_IMAGE_STORE */
  list(path: string): Promise<ImageFile[]>;
  /** @throws {ImageError} WL_IMAGE_STORE */
  read(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array>;
}

export async function openImageFiles(store: ImageStore, image: Image): Promise<ImageFiles> {
  const { root, base } = image.config;
  const program = await openErofs(store.blobs.path(root.digest));
  const rest = await openErofs(store.blobs.path(base.digest)).catch(async (error) => {
    await program.close();
    throw error;
  });
  const layers = [
    { part: "program", reader: program },
    { part: "base", reader: rest },
  ] as const;
  return {
    async list(path) {
      const found = new Map<string, ImageFile>();
      let failure: unknown;
      let known = false;
      for (const { part, reader } of layers) {
        try {
          for (const file of await filesAt(reader, path)) {
            if (!found.has(file.name)) found.set(file.name, { ...file, part });
          }
          known = true;
        } catch (error) {
          failure = error;
        }
      }
      if (!known) throw inImage(failure, image, path);
      return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async *read(path, signal) {
      // A path that leads through links of one layer into the other is not followed: neither has any.
      let failure: unknown;
      for (const { reader } of layers) {
        try {
          await reader.stat(path);
        } catch (error) {
          failure = error;
          continue;
        }
        yield* reader.readFile(path, { signal });
        return;
      }
      throw inImage(failure, image, path);
    },
    async [Symbol.asyncDispose]() {
      await program.close();
      await rest.close();
    },
  };
}

async function filesAt(reader: ErofsReader, path: string): Promise<Omit<ImageFile, "part">[]> {
  const self = await describe(reader, path, posix.basename(path));
  if (self.kind === "file" || self.kind === "other") return [self];
  const members = await reader.list(path);
  return await Promise.all(
    members.map(({ name }) => describe(reader, posix.join(path, name), name)),
  );
}

async function describe(
  reader: ErofsReader,
  path: string,
  name: string,
): Promise<Omit<ImageFile, "part">> {
  const found = await reader.stat(path);
  if (found.kind !== "symlink") return { name, ...found };
  return { name, ...found, target: await reader.readlink(path) };
}

/** The reader names a blob's file; people know the image. */
function inImage(cause: unknown, { names, id }: Image, path: string): unknown {
  if (!(cause instanceof ImageError) || cause.code !== "WL_IMAGE_STORE") return cause;
  const image = names[0] ?? id.slice(0, 12);
  return new ImageError(
    "WL_IMAGE_STORE",
    `Cannot open "${path}" in image "${image}": ${cause.message.split(": ").at(-1)}`,
    { next: `List the image's files: windlass image ls ${image} /` },
    cause.cause, // What the reader said is in the message.
  );
}
