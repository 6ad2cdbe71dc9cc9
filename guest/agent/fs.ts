/** /fs: use of the file systems that hold something, whatever their type. */
import { statfs } from "node:fs/promises";
import type { FileSystemUse } from "../api/fs.ts";
import { AgentError } from "./agent-error.ts";
import { guestPath } from "./guest-path.ts";
import type { Agent, Operations } from "./operation.ts";
import { Procfs } from "./procfs.ts";

interface Mount {
  readonly source: string;
  readonly path: string;
}

export function fsOperations({ system }: Agent): Operations<"fs"> {
  const procfs = new Procfs(system.procRoot);
  const mounts = (): Mount[] => parseMounts(procfs.text("mounts"));
  return {
    fsDf: async () => (await Promise.all(mounts().map(use))).flat(),
    fsDfMount: async ({ path }) => {
      const wanted = guestPath(path.mount);
      const mount = mounts().findLast((one) => one.path === wanted);
      if (mount === undefined) throw new AgentError("WL_AGENT_NOT_FOUND", "mount does not exist");
      return use(mount);
    },
  };
}

/** Lines `source path type options 0 0`; blanks and backslashes are octal: proc_pid_mounts(5). */
export function parseMounts(text: string): Mount[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [source = "", path = ""] = line.split(" ").map(unescapeOctal);
      return { source, path };
    });
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** Nothing for a file system without blocks (proc, sysfs, ...) or one that cannot be asked. */
async function use(mount: Mount): Promise<FileSystemUse[]> {
  const found = await statfs(mount.path).catch(() => undefined);
  if (found === undefined || found.blocks === 0) return [];
  return [
    {
      filesystem: mount.source,
      mount: mount.path,
      btotal: found.blocks,
      bfree: found.bfree,
      ftotal: found.files,
      ffree: found.ffree,
      blocksize: found.bsize,
    },
  ];
}
