/** /app: start programs beside the instance's own. */
import { Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

export const appSchemas = {
  appRun: {
    query: Type.Object(
      {
        command: Type.String({ description: "Words with quotes; & separates commands" }),
        new_program: Type.Optional(
          Type.Boolean({ description: "Ignored: every command is a process of its own" }),
        ),
      },
      { additionalProperties: false },
    ),
    reply: Type.String({ description: "Process ids separated by spaces" }),
  },
  appFinished: {
    query: Type.Object({ tid: Type.String() }, { additionalProperties: false }),
    reply: Type.Union([Type.Literal("0"), Type.Literal("1")], {
      description: "1: ended or unknown; 0: running",
    }),
  },
} satisfies Record<string, OperationSchemas>;
