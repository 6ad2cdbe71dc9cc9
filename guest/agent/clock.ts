/** /v1/clock: sets a clock right that stood still with its machine. */
import { AgentError } from "./agent-error.ts";
import type { Agent, Operations } from "./operation.ts";

export function clockOperations({ system }: Agent): Operations<"clock"> {
  return {
    clockAdvance: ({ body }) => {
      try {
        system.advanceClock(body.milliseconds);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new AgentError("WL_AGENT_UNSUPPORTED", `The clock cannot be set: ${why}`, error);
      }
      return { timeMs: Date.now() };
    },
  };
}
