/** /v1/template: makes the machine ready to be saved. */
import { AgentError } from "./agent-error.ts";
import type { Agent, Operations } from "./operation.ts";
import { TemplateGate } from "./template-gate.ts";

export function templateOperations({ wake, app, system }: Agent): Operations<"template"> {
  const gate = wake && new TemplateGate(wake);
  return {
    templateWarmUp: async ({ body }, call) => {
      const { warmUp } = await import("./warm-up.ts");
      await gate?.rehearse({ timeoutMs: body.timeoutMs, signal: call.signal });
      const warmth = await warmUp(body, { signal: call.signal });
      // As the request that saves the machine does: closing one is rehearsed, too.
      call.closeConnection(() => undefined);
      return warmth;
    },
    templateTrim: async (_args, { signal }) => {
      gate?.rest();
      const { trimMemory } = await import("./free-memory.ts");
      return { freeBytes: await trimMemory({ procRoot: system.procRoot, signal }) };
    },
    templatePrepare: async ({ body }, call) => {
      if (!gate) {
        const text = "This machine has no port to be woken through";
        throw new AgentError("WL_AGENT_UNSUPPORTED", text);
      }
      const hooked = await gate.prepare({ ...body, signal: call.signal });
      // A connection that is open when the machine is saved would be resumed by every clone.
      app.server.closeIdleConnections();
      call.closeConnection(() => gate.arm());
      return { hooked: [...hooked] };
    },
  };
}
