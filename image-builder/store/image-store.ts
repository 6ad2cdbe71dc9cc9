/**
 * The images of this host.
 *
 * ```
 * blobs/sha256/HEX   parts and configurations
 * names/NAME         one file a name: the id of the image it stands for
 * pins/OWNER         one file an instance: the id of the image it runs from
 * store.lock         shared: building; exclusive: removing
 * ```
 *
 * Everything is written beside and renamed. A crash can leave blobs that no name reaches; `prune`
 * removes them.
 */
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { ioError, withIoError } from "../runtimes/io-error.ts";
import { BlobStore } from "./blob-store.ts";
import { type FileLock, lockFile } from "./file-lock.ts";
import { type Image, type ImageConfig, imageName, imageParts, SHORT_ID_LENGTH } from "./image.ts";
import { removeRemains, replaceFile } from "./replace-file.ts";

/** A larger blob is no configuration. */
const CONFIG_BYTES_MAX = 1024 * 1024;

export interface PruneReport {
  readonly removedImages: readonly string[];
  readonly freedBytes: number;
}

export class ImageStore {
  readonly blobs: BlobStore;
  readonly #folder: string;

  /** @param dataFolder Folders.data */
  constructor(dataFolder: string) {
    this.#folder = dataFolder;
    this.blobs = new BlobStore(dataFolder);
  }

  /** Held while blobs are added and not yet named; keeps `prune` away. */
  async lock(options: { readonly shared: boolean; signal?: AbortSignal }): Promise<FileLock> {
    // For this user alone: images hold sources and environments.
    const made = mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await withIoError("write", this.#folder, made);
    return await lockFile(join(this.#folder, "store.lock"), options);
  }

  /** Stores a configuration under a name. The caller holds the shared lock since it added the parts. */
  async add(config: ImageConfig, name: string): Promise<Image> {
    const full = imageName(name);
    const { digest } = await this.blobs.put(Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
    await this.#writeReference("names", full, digest);
    return { id: digest, names: [full], config };
  }

  /**
   * Gives an image a further name.
   *
   * @throws {ImageError} WL_IMAGE_STORE when there is no such image
   */
  async tag(id: string, name: string): Promise<void> {
    const full = imageName(name);
    await using _lock = await this.lock({ shared: true });
    await this.read(id);
    await this.#writeReference("names", full, id);
  }

  /** Every image that has a name or is pinned, by name. */
  async list(): Promise<Image[]> {
    const names = await this.#references("names");
    const pins = await this.#references("pins");
    const ids = new Set([...names.values(), ...pins.values()]);
    const images = await Promise.all([...ids].map((id) => this.#read(id, names)));
    const found = images.filter((image) => image !== undefined);
    return found.sort((a, b) => ((a.names[0] ?? "~") < (b.names[0] ?? "~") ? -1 : 1));
  }

  /**
   * Finds an image by name ("hello", "hello:1") or by the begin of its id.
   *
   * @throws {ImageError} WL_IMAGE_STORE when there is none, or several ids begin like that
   */
  async get(reference: string): Promise<Image> {
    const image = await this.find(reference);
    if (image) return image;
    if (await this.#isNamed(reference)) {
      throw new ImageError(
        "WL_IMAGE_STORE",
        `The configuration of image "${reference}" is damaged`,
        {
          next: "Build it again",
        },
      );
    }
    throw new ImageError("WL_IMAGE_STORE", `There is no image "${reference}"`, {
      next: '"windlass images" lists the images; "windlass build" makes one',
    });
  }

  /** As `get`, with undefined for an image that is not there. */
  async find(reference: string): Promise<Image | undefined> {
    const names = await this.#references("names");
    let named: string | undefined;
    try {
      named = names.get(imageName(reference));
    } catch {
      return undefined;
    }
    if (named !== undefined) return await this.#read(named, names);
    if (!/^[0-9a-f]{4,64}$/.test(reference)) return undefined;
    const pins = await this.#references("pins");
    const ids = [...new Set([...names.values(), ...pins.values()])];
    const matches = ids.filter((id) => id.startsWith(reference));
    if (matches.length > 1) {
      throw new ImageError("WL_IMAGE_STORE", `Several images have ids that begin "${reference}"`, {
        next: "Write more of the id",
      });
    }
    return matches[0] === undefined ? undefined : await this.#read(matches[0], names);
  }

  async #isNamed(reference: string): Promise<boolean> {
    try {
      return (await stat(this.#referencePath("names", imageName(reference)))).isFile();
    } catch {
      return false;
    }
  }

  /** The image an instance runs from, by its full id. */
  async read(id: string): Promise<Image> {
    const image = await this.#read(id, await this.#references("names"));
    if (image) return image;
    const short = id.slice(0, SHORT_ID_LENGTH);
    throw new ImageError("WL_IMAGE_STORE", `Image ${short} is gone from the store`, {
      next: "Build it again",
    });
  }

  /** Keeps an image for an owner (an instance's id), whatever happens to its names. */
  async pin(owner: string, id: string): Promise<void> {
    await this.#writeReference("pins", owner, id);
  }

  async unpin(owner: string): Promise<void> {
    await rm(this.#referencePath("pins", owner), { force: true });
  }

  /**
   * Removes a name; parts that nothing else needs go with it.
   *
   * @throws {ImageError} WL_IMAGE_STORE when there is no such image, or an instance uses it and no
   *   other name would keep it and `force` is not set
   */
  async remove(reference: string, { force = false } = {}): Promise<PruneReport> {
    await using _lock = await this.lock({ shared: false });
    const image = await this.get(reference);
    const pins = await this.#references("pins");
    const users = [...pins].filter(([, id]) => id === image.id).map(([owner]) => owner);
    const byId = image.id.startsWith(reference);
    const going = byId ? image.names : [imageName(reference)];
    if (users.length > 0 && going.length === image.names.length && !force) {
      throw new ImageError(
        "WL_IMAGE_STORE",
        `Cannot remove image "${reference}": ${users.length} instance(s) use it: ${users.join(", ")}`,
        { next: 'Remove them with "windlass rm", or use -f to remove the name only' },
      );
    }
    for (const name of going) await rm(this.#referencePath("names", name), { force: true });
    return await this.#removeUnreached();
  }

  /** Removes every part that no named image and no instance needs. */
  async prune(): Promise<PruneReport> {
    await using _lock = await this.lock({ shared: false });
    await this.blobs.removeRemains();
    for (const kind of ["names", "pins"]) await removeRemains(join(this.#folder, kind));
    return await this.#removeUnreached();
  }

  async #removeUnreached(): Promise<PruneReport> {
    const names = await this.#references("names");
    const pins = await this.#references("pins");
    const keep = new Set<string>();
    const configs = new Set([...names.values(), ...pins.values()]);
    for (const id of configs) {
      keep.add(id);
      const image = await this.#readSurely(id, names);
      for (const part of image ? Object.values(imageParts(image.config)) : []) {
        keep.add(part.digest);
      }
    }
    let freedBytes = 0;
    const removedImages: string[] = [];
    for (const digest of await this.blobs.list()) {
      if (keep.has(digest)) continue;
      if (await this.#read(digest, names)) removedImages.push(digest);
      freedBytes += await this.blobs.remove(digest);
    }
    return { removedImages, freedBytes };
  }

  /** undefined when the blob is missing, or is no image configuration. */
  async #read(id: string, names: ReadonlyMap<string, string>): Promise<Image | undefined> {
    try {
      const path = this.blobs.path(id);
      if ((await stat(path)).size > CONFIG_BYTES_MAX) return undefined;
      const text = await readFile(path, "utf8");
      if (!text.startsWith('{\n  "schemaVersion": 1,')) return undefined;
      const config: ImageConfig = JSON.parse(text);
      const own = [...names].filter(([, target]) => target === id).map(([name]) => name);
      return { id, names: own.sort(), config };
    } catch {
      return undefined;
    }
  }

  /** Tells an image that is gone from one that cannot be read now, whose parts must not be lost. */
  async #readSurely(id: string, names: ReadonlyMap<string, string>): Promise<Image | undefined> {
    const image = await this.#read(id, names);
    if (image) return image;
    const path = this.blobs.path(id);
    await readFile(path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOENT") throw ioError("read", path, cause);
    });
    return undefined;
  }

  async #references(kind: "names" | "pins"): Promise<Map<string, string>> {
    const folder = join(this.#folder, kind);
    // Read wrongly as empty, a name or a pin would cost its image at the next prune.
    const files = await readdir(folder).catch((cause) => missing(cause, folder, []));
    const entries = await Promise.all(
      files
        .filter((file) => !file.startsWith("."))
        .map(async (file): Promise<[string, string]> => {
          const path = join(folder, file);
          const text = await readFile(path, "utf8").catch((cause) => missing(cause, path, ""));
          return [decoded(file), text.trim()];
        }),
    );
    return new Map(entries.filter(([name, id]) => name !== "" && /^[0-9a-f]{64}$/.test(id)));
  }

  async #writeReference(kind: "names" | "pins", name: string, id: string): Promise<void> {
    await replaceFile(this.#referencePath(kind, name), `${id}\n`);
  }

  #referencePath(kind: "names" | "pins", name: string): string {
    return join(this.#folder, kind, encodeURIComponent(name));
  }
}

/** What stands for a file that is not there; every other failure is one. */
function missing<T>(cause: NodeJS.ErrnoException, path: string, value: T): T {
  if (cause.code === "ENOENT") return value;
  throw ioError("read", path, cause);
}

/** The name that a file stands for; "" for a file that is none of ours. */
function decoded(file: string): string {
  try {
    return decodeURIComponent(file);
  } catch {
    return "";
  }
}
