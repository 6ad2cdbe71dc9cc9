/** Symbolic links by POSIX and Linux: rules S1 to S18, the links of pjdfstest, and R1 to R4 where nothing can be written. */
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { guestFolder } from "../../../image-builder/base/guest-folder.ts";
import { writeErofs } from "../../../image-builder/filesystems/erofs-writer.ts";
import { orderTree } from "../../../image-builder/rootfs/tree.ts";
import { HostError } from "../../errors.ts";
import type { PreparedRow, Row, RowRequest, Suite, SuiteCase } from "../suite.ts";
import { assertionsOf, readOnlyFamilies, writableFamilies } from "./families.ts";
import { KOFFI_FILE } from "./libc.ts";
import { readOnlyTree } from "./read-only-tree.ts";
import type { Family } from "./script.ts";

const PROGRAM_FILE = "symlink.cjs";
const IMAGE_FILE = "links.erofs";
/** Thousands of calls under emulation, on a host with other things to do. */
const TIMEOUT_MS = 300_000;

function casesOf(families: readonly Family[]): readonly SuiteCase[] {
  return families.flatMap((family) =>
    assertionsOf(family).map(({ id, text, expected }) => {
      // Made of the bytes of paths.
      const title = JSON.stringify(`${text} = ${expected}`).slice(1, -1);
      return { id, title: `${family.title}: ${title}` };
    }),
  );
}

const writableCases = casesOf(writableFamilies);
const readOnlyCases = casesOf(readOnlyFamilies);

export const symlinkSuite: Suite = {
  name: "symlink",
  summary: "Symbolic links by POSIX and Linux, on each file system",
  cases: [...writableCases, ...readOnlyCases],
  rows: [
    row("tmpfs", "tmpfs", writableCases),
    row("ext4", "ext4", writableCases),
    row("overlay", "overlay", writableCases),
    row("erofs", "erofs, read-only", readOnlyCases),
  ],
};

function row(id: string, title: string, cases: readonly SuiteCase[]): Row {
  const ids = cases.map((one) => one.id);
  const prepare = async (request: RowRequest): Promise<PreparedRow> => {
    await writeFiles(request);
    const argv = (place: string, wanted: readonly string[]): readonly string[] => {
      const some = wanted.length === ids.length ? [] : [wanted.join(",")];
      return [request.target.nodePath, `${place}/${PROGRAM_FILE}`, id, ...some];
    };
    const steps = [{ cases: ids, argv, timeoutMs: TIMEOUT_MS }];
    return { kind: "ready", files: request.folder, steps };
  };
  // A clone for each file system: erofs takes the scratch disk of its machine.
  return { id, title, isIsolated: true, prepare };
}

async function writeFiles({ target, folder, signal }: RowRequest): Promise<void> {
  const guest = guestFolder();
  const program = join(dirname(guest), "conformance", PROGRAM_FILE);
  if (!existsSync(program)) {
    const next = 'Run "npm run build" in the checkout';
    throw new HostError("WL_CONFORMANCE_FAILED", "Cannot find the symlink suite", { next });
  }
  await copyFile(program, join(folder, PROGRAM_FILE));
  if (target.kind === "host") await copyFile(join(guest, KOFFI_FILE), join(folder, KOFFI_FILE));
  const options = { compression: "none", workerCount: 0, signal } as const;
  await writeErofs(orderTree(readOnlyTree()), join(folder, IMAGE_FILE), options);
}
