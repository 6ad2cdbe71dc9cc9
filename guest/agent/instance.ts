/** /v1/instance: which instance this is. */
import { release } from "node:os";
import { API_VERSION } from "../api/instance.ts";
import type { Agent, Operations } from "./operation.ts";
import { Procfs } from "./procfs.ts";

export function instanceOperations(agent: Agent): Operations<"instance"> {
  const procfs = new Procfs(agent.system.procRoot);
  return {
    instance: () => ({
      apiVersion: API_VERSION,
      id: agent.instance.id,
      name: agent.instance.name,
      version: agent.version,
      platform: agent.platform,
      kernel: release(),
      node: process.version,
      bootTime: new Date(Date.now() - procfs.uptimeSeconds() * 1000).toISOString(),
    }),
  };
}
