/** /v1/archive: tar streams down and up. */
import { Readable } from "node:stream";
import { AgentError, fileError } from "./agent-error.ts";
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
      const { body } = call.request;
      if (!(body instanceof Readable)) {
        throw new AgentError("WL_AGENT_BAD_REQUEST", "The body must be application/x-tar");
      }
      try {
        return await unpackArchive(agent, path, body, call.signal);
      } catch (error) {
        throw fileError(`Cannot unpack into "${path}"`, error);
      }
    },
  };
}
