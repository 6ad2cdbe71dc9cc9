/** `windlass complete-words`: names for the shells' completions, without looking at any process. */
import { KernelStore } from "../../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { CheckpointStore } from "../../instance/checkpoint-store.ts";
import { InstanceStore } from "../../instance/instance-store.ts";
import { TemplateStore } from "../../instance/template-store.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"complete-words"> = async ({ operands, output }) => {
  const words = await wordsOf(operands[0] ?? "");
  await output.print(words.map((word) => `${word}\n`).join(""));
  return 0;
};

async function wordsOf(kind: string): Promise<readonly string[]> {
  const folders = windlassFolders();
  switch (kind) {
    case "instances":
      return (await new InstanceStore(folders).list()).map(({ name }) => name);
    case "templates":
      return (await new TemplateStore(folders).list()).map(({ name }) => name);
    case "checkpoints":
      return (await new CheckpointStore(folders.data).list()).map(({ name }) => name);
    case "images":
      return (await new ImageStore(folders.data).list()).flatMap(({ names }) => names);
    case "kernels":
      return (await new KernelStore(folders.data).list()).map(({ release }) => release);
    default:
      return [];
  }
}
