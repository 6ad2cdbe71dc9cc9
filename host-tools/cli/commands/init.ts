/** `windlass init`: the files of a new project; nothing that is there is touched. */
import { existsSync, lstatSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { imageNameOf } from "../../../image-builder/manifest/package-json.ts";
import { withIoError } from "../../../image-builder/runtimes/io-error.ts";
import type { RuntimeName } from "../../../image-builder/runtimes/runtime.ts";
import { starterManifest, starterOf } from "../../../image-builder/runtimes/starter.ts";
import { replaceFile } from "../../../image-builder/store/replace-file.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";

const DEFAULT_NAME = "app";

export const execute: Execute<"init"> = async ({ operands, options, output }) => {
  const [operand] = operands;
  const folder = resolve(operand ?? ".");
  const runtime: RuntimeName = options.runtime ?? "node";
  const imageName = imageNameOf(basename(folder));
  const name = options.name ?? imageName ?? DEFAULT_NAME;
  if (imageNameOf(name) !== name) {
    const message = `${JSON.stringify(name)} cannot be the name of an image`;
    const next = `Take another one, such as --name ${imageNameOf(name) ?? DEFAULT_NAME}`;
    throw new HostError("WL_USAGE", message, { next });
  }
  const starter = await starterOf(runtime, name);
  const present = existsSync(folder) ? await withIoError("read", folder, readdir(folder)) : [];
  const manifest = starterManifest(starter, { runtime, name }, { imageName, present });
  const files = { ...starter.files, ...(manifest !== undefined && { "windlass.yaml": manifest }) };
  const written = Object.keys(files);
  mustBeFree(folder, written);
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  for (const [file, text] of Object.entries(files)) await replaceFile(join(folder, file), text);
  if (options.json) await output.json({ folder, runtime, name, files: written });
  else {
    const list = written.map((file) => `${join(folder, file)}\n`).join("");
    await output.print(`${list}Next: ${nextStep(starter.use, operand)}\n`);
  }
  return 0;
};

/** @throws {HostError} WL_USAGE when one of the files is there, and be it a link that leads nowhere */
function mustBeFree(folder: string, files: readonly string[]): void {
  const isThere = (file: string) => lstatSync(join(folder, file), { throwIfNoEntry: false });
  const present = files.filter((file) => isThere(file) !== undefined);
  if (present.length === 0) return;
  const message = `Cannot write a starter into ${folder}: it has ${present.join(", ")} already`;
  throw new HostError("WL_USAGE", message, { next: "Name a folder without these files" });
}

function nextStep(use: string | undefined, operand: string | undefined): string {
  if (use === undefined) return `windlass run -p 8080 ${operand ?? "."}`;
  return operand === undefined ? use : `cd ${operand} && ${use}`;
}
