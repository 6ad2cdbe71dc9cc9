/** `windlass kernel build`. */
import {
  buildKernel,
  type KernelBuildProgress,
  type KernelBuildStep,
} from "../../../image-builder/kernels/kernel-build.ts";
import { KernelStore } from "../../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import type { Execute } from "../invocation.ts";
import type { Output } from "../output.ts";
import { printableLine } from "../printable-text.ts";
import { bytesText, elapsedText } from "../quantity-text.ts";

export const execute: Execute<"kernel build"> = async ({ options, output, signal }) => {
  const folders = windlassFolders();
  const store = new KernelStore(folders.data);
  const shown = options.json ? {} : progress(output);
  const { kernel, cached } = await buildKernel({
    ...{ store, cacheFolder: folders.cache, signal },
    ...shown,
  });
  const { folder: _folder, ...view } = kernel;
  if (options.json) await output.json({ ...view, current: true, cached });
  else await output.print(`${kernel.release} ${bytesText(kernel.sizeBytes)}\n`);
  return 0;
};

function progress(output: Output) {
  const said = compileNotes();
  return {
    onStep: (step: KernelBuildStep): void => output.draft(`${step.padEnd(9)} ...`),
    onProgress: ({ step, detail, durationMs }: KernelBuildProgress): void => {
      output.note(`${step.padEnd(9)} ${printableLine(detail)} (${elapsedText(durationMs)})`);
    },
    onCompiled: (share: number): void => {
      const percent = Math.floor(share * 100);
      output.draft(`compile   ${percent} %`);
      if (!output.errorIsTerminal && said(percent)) output.note(`compile   ${percent} %`);
    },
  };
}

/** Into a file or a log, only every tenth percent is worth a line. */
function compileNotes(): (percent: number) => boolean {
  let next = 10;
  return (percent) => {
    if (percent < next || percent >= 100) return false;
    next = percent - (percent % 10) + 10;
    return true;
  };
}
