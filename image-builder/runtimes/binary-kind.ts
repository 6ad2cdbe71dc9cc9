/** What a file in a project is to the image builder. */
import { ImageError } from "../errors.ts";
import { withFileSource } from "./byte-source.ts";
import { readElf } from "./elf.ts";

/**
 * - `elf-executable`: a program for the guest, position-independent or not;
 * - `elf-shared`: a library or native addon for the guest;
 * - `script`: starts with "#!";
 * - `other`: everything else, binaries for other machines and damaged ones included.
 */
export type BinaryKind = "elf-executable" | "elf-shared" | "script" | "other";

/** @throws {ImageError} WL_IMAGE_IO when the file cannot be read or is not a regular file */
export async function classifyBinary(
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<BinaryKind> {
  return withFileSource(
    path,
    async (source) => {
      const head = Buffer.from(await source.read(0, Math.min(source.sizeBytes, 4)));
      if (head.toString("latin1", 0, 2) === "#!") return "script";
      if (head.toString("latin1") !== "\x7fELF") return "other";
      try {
        const elf = await readElf(source, path);
        if (elf.type !== "executable" && elf.type !== "shared") return "other";
        // Programs made before linkers wrote DF_1_PIE have an interpreter and no name of their own;
        // a few libraries (libc.so.6) can be run, too, but have both.
        const isProgram =
          elf.type === "executable" ||
          elf.isPie ||
          (elf.interpreter !== undefined && elf.soname === undefined);
        return isProgram ? "elf-executable" : "elf-shared";
      } catch (error) {
        if (error instanceof ImageError && error.code === "WL_IMAGE_BINARY_INVALID") return "other";
        throw error;
      }
    },
    options,
  );
}
