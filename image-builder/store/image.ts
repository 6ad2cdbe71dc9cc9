/** An image: one program, ready to boot. Its configuration is a document; its parts are blobs. */
import type { ProgramPort, ProgramSpec } from "../../guest/api/program.ts";
import type { ScratchDisk } from "../disks/scratch-disk.ts";
import { ImageError } from "../errors.ts";

/** A blob of the store. */
export interface Part {
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface ImageConfig {
  readonly schemaVersion: 1;
  readonly platform: "linux";
  readonly architecture: "x86_64";
  /** Version of Windlass that built it. */
  readonly windlass: string;
  readonly program: ProgramSpec;
  /** How many of the last words of its argv arguments of `run` stand in for (a container's Cmd). Default 0. */
  readonly replaceableArgs?: number | undefined;
  /** What a container says it listens on: nothing waits for these, "run -P" publishes them. */
  readonly exposedPorts?: readonly ProgramPort[] | undefined;
  readonly memoryMib: number;
  readonly vcpuCount: number;
  readonly template?: { readonly auto: boolean; readonly warmUp?: string | false } | undefined;
  /** What its instances have, unless told otherwise. */
  readonly scratch?: ScratchDisk;
  readonly runtime: { readonly name: string; readonly version: string };
  readonly kernel: Part & { readonly release: string; readonly source: string };
  /** cpio archive: first stage and kernel modules. */
  readonly firstStage: Part;
  /** erofs: runtime, libraries, agent, /init; shared by all images that have the same. */
  readonly base: Part & { readonly uncompressedBytes: number };
  /** erofs: the program's own tree. */
  readonly root: Part & { readonly uncompressedBytes: number };
  /** CycloneDX JSON. */
  readonly billOfMaterials: Part;
}

export interface Image {
  /** SHA-256 of the configuration's bytes, in hex. */
  readonly id: string;
  /** "hello:latest" and so on; empty for an image whose names went to another. */
  readonly names: readonly string[];
  readonly config: ImageConfig;
}

/** Every blob an image is made of, its configuration aside. */
export function imageParts(config: ImageConfig): Readonly<Record<string, Part>> {
  const { kernel, firstStage, base, root, billOfMaterials } = config;
  return { kernel, "first stage": firstStage, base, program: root, billOfMaterials };
}

/** Length of an id where people read it. */
export const SHORT_ID_LENGTH = 12;

const NAME_PATTERN = /^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/;
const TAG_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** The name is a file's name in the store, with "/" and ":" as three characters: NAME_MAX of Linux. */
const ENCODED_LENGTH_MAX = 255;

/**
 * "hello" gives "hello:latest". The grammar is Docker's, without a registry's host.
 *
 * @throws {ImageError} WL_IMAGE_STORE that says what a name may look like, or that it is too long
 */
export function imageName(text: string): string {
  const colon = text.lastIndexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const tag = colon < 0 ? "latest" : text.slice(colon + 1);
  if (!NAME_PATTERN.test(name) || !TAG_PATTERN.test(tag)) {
    throw new ImageError("WL_IMAGE_STORE", `"${text}" is not an image name`, {
      next:
        'Use lowercase letters and digits with single ".", "_", "-" or "/" between them, and ' +
        "perhaps a colon and a tag",
    });
  }
  if (encodeURIComponent(`${name}:${tag}`).length > ENCODED_LENGTH_MAX) {
    const next = "Choose a name that has 200 characters at the most";
    throw new ImageError("WL_IMAGE_STORE", `"${text}" is too long for an image name`, { next });
  }
  return `${name}:${tag}`;
}
