/** /v1/health: an answer at all means that the agent lives. */
import type { Agent, Operations } from "./operation.ts";
import { Procfs } from "./procfs.ts";

export function healthOperations({ system, program }: Agent): Operations<"health"> {
  const procfs = new Procfs(system.procRoot);
  return {
    health: () => {
      const { state, health, restarts, ready } = program.status();
      return {
        status: "ok",
        uptimeMs: Math.round(procfs.uptimeSeconds() * 1000),
        ready,
        program: { state, health, restarts },
      };
    },
  };
}
