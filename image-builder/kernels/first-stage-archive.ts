/** The archive that the kernel unpacks first: our first stage and the modules it loads. */

import { readFile } from "node:fs/promises";
import { writeCpio } from "../filesystems/cpio-newc.ts";
import { FIRST_STAGE_DIRECTORIES, firstStageExecutable } from "../first-process/first-stage.ts";
import { orderTree, type TreeEntry } from "../rootfs/tree.ts";
import { type Kernel, modulePath } from "./kernel-store.ts";
import { withoutSignature } from "./module.ts";

/** Changes when the same kernel and first stage give another archive than before. */
export const FIRST_STAGE_FORMAT = "unsigned modules";

/** The same kernel and the same Windlass give the same bytes. */
export async function firstStageArchive(kernel: Kernel): Promise<Uint8Array> {
  const directories = FIRST_STAGE_DIRECTORIES.map(
    (path): TreeEntry => ({ kind: "directory", path, mode: 0o755 }),
  );
  const modules = await Promise.all(
    kernel.modules.map(async (name): Promise<TreeEntry> => {
      const bytes = withoutSignature(await readFile(modulePath(kernel, name)));
      return {
        kind: "file",
        path: `/modules/${name}`,
        mode: 0o644,
        source: { kind: "bytes", bytes },
      };
    }),
  );
  const loadOrder = kernel.modules.map((name) => `/modules/${name}`);
  const init: TreeEntry = {
    kind: "file",
    path: "/init",
    mode: 0o755,
    source: { kind: "bytes", bytes: firstStageExecutable({ modules: loadOrder }) },
  };
  return await writeCpio(orderTree([...directories, ...modules, init]));
}
