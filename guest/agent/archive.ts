/** /v1/archive: tar streams down and up. */
import { fileError } from "./agent-error.ts";
import { packArchive } from "./archive-pack.ts";
import { unpackArchive } from "./archive-unpack.ts";
import { guestPath } from "./guest-path.ts";
import type { Agent, Operations } from "./operation.ts";

export function archiveOperations(agent: Agent): Operations<"archive"> {
  return {
    archiveGet: async ({ query }, call) => {
      const path = guestPath(query.path);
      try {
        return { contentType: "application/x-tar", body: await packArchive(path, call.signal) };
      } catch (error) {
        throw fileError(`Cannot read "${path}"`, error);
      }
    },
    archivePut: async ({ query }, call) => {
      const path = guestPath(query.path);
      try {
        return await unpackArchive(agent, path, call.bodyChunks(), call.signal);
      } catch (error) {
        throw fileError(`Cannot unpack into "${path}"`, error);
      }
    },
  };
}
