/** `windlass init`: the files of a new project; nothing that is there is touched. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { imageNameOf } from "../../../image-builder/manifest/package-json.ts";
import { withIoError } from "../../../image-builder/runtimes/io-error.ts";
import type { RuntimeName } from "../../../image-builder/runtimes/runtime.ts";
import { starterOf } from "../../../image-builder/runtimes/starter.ts";
import { replaceFile } from "../../../image-builder/store/replace-file.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";

const DEFAULT_NAME = "app";

export const execute: Execute<"init"> = async ({ operands, options, output }) => {
  const folder = resolve(operands[0] ?? ".");
  const runtime: RuntimeName = options.runtime ?? "node";
  const name = options.name ?? imageNameOf(basename(folder)) ?? DEFAULT_NAME;
  if (imageNameOf(name) !== name) {
    const message = `${JSON.stringify(name)} cannot be the name of an image`;
    const next = `Take another one, such as --name ${imageNameOf(name) ?? DEFAULT_NAME}`;
    throw new HostError("WL_USAGE", message, { next });
  }
  const files = Object.entries(await starterOf(runtime, name));
  const present = files.map(([file]) => file).filter((file) => existsSync(join(folder, file)));
  if (present.length > 0) {
    const message = `Cannot write a starter into ${folder}: it has ${present.join(", ")} already`;
    throw new HostError("WL_USAGE", message, { next: "Name a folder without these files" });
  }
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  for (const [file, text] of files) await replaceFile(join(folder, file), text);
  const written = files.map(([file]) => file);
  if (options.json) await output.json({ folder, runtime, name, files: written });
  else {
    const list = written.map((file) => `${join(folder, file)}\n`).join("");
    await output.print(`${list}Next: windlass run -p 8080 ${operands[0] ?? "."}\n`);
  }
  return 0;
};
