/** /v1/instance: which instance this is. */
import { release } from "node:os";
import { API_VERSION, type InstanceReply } from "../api/instance.ts";
import { AgentError } from "./agent-error.ts";
import type { Agent, Operations } from "./operation.ts";
import { Procfs } from "./procfs.ts";

export function instanceOperations(agent: Agent): Operations<"instance"> {
  const procfs = new Procfs(agent.system.procRoot);
  const describe = (): InstanceReply => ({
    apiVersion: API_VERSION,
    id: agent.instance.id,
    name: agent.instance.name,
    version: agent.version,
    platform: agent.platform,
    kernel: release(),
    node: process.version,
    bootTime: new Date(Date.now() - procfs.uptimeSeconds() * 1000).toISOString(),
  });
  return {
    instance: describe,
    instanceSet: ({ body }) => {
      const { wake, system } = agent;
      if (!wake) {
        throw new AgentError("WL_AGENT_UNSUPPORTED", "This machine is who it is");
      }
      const { instance, parent, macAddress, entropy } = body;
      system.reseed(Buffer.from(entropy, "hex"));
      system.setMacAddress(macAddress);
      system.setHostname(instance.hostname);
      wake.onWake({ kind: "resume", parent, instance });
      wake.onSet();
      return describe();
    },
  };
}
