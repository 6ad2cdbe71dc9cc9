/** /v1/health: the agent answers, and whether the program is ready. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";
import { ProgramStatus } from "./program.ts";

export const AgentHealth = Type.Object(
  {
    status: Type.Literal("ok", { description: "The agent is alive: it answers" }),
    uptimeMs: Type.Number({ minimum: 0, description: "Milliseconds since the kernel started" }),
    ready: Type.Boolean({ description: "The program is ready" }),
    program: Type.Object(
      {
        state: ProgramStatus.properties.state,
        health: ProgramStatus.properties.health,
        restarts: ProgramStatus.properties.restarts,
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type AgentHealth = Static<typeof AgentHealth>;

export const healthSchemas = {
  health: { reply: AgentHealth },
} satisfies Record<string, OperationSchemas>;
