/** A file that a command is to write: whole, or not at all. */
import { open, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { pathBeside } from "../../image-builder/store/replace-file.ts";
import { HostError } from "../errors.ts";

/** Disposing of it leaves nothing behind unless it was written. */
export interface ResultFile extends AsyncDisposable {
  /** Once. @throws {HostError} WL_HOST_IO */
  write(content: string | Uint8Array): Promise<void>;
}

/**
 * Takes a place beside the file, before what is to be in it is made, perhaps for hours: a mistyped folder is refused.
 *
 * @throws {HostError} WL_HOST_IO when no file may be there
 */
export async function openResultFile(path: string): Promise<ResultFile> {
  const target = resolve(path);
  const beside = pathBeside(target);
  const failed = (cause: unknown): never => {
    const why = cause instanceof Error ? cause.message : String(cause);
    const next = "Check that its folder is there and may be written, and that the disk is not full";
    throw new HostError("WL_HOST_IO", `Cannot write "${target}": ${why}`, { next }, cause);
  };
  const file = await open(beside, "wx").catch(failed);
  return {
    async write(content) {
      try {
        await file.writeFile(content);
        await file.sync();
        await rename(beside, target);
      } catch (cause) {
        failed(cause);
      }
    },
    async [Symbol.asyncDispose]() {
      await file.close();
      await rm(beside, { force: true });
    },
  };
}
