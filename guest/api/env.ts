/** /env: the environment that programs started from now on receive. */
import { Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

const path = Type.Object(
  { var: Type.String({ pattern: "^[^=\\u0000]+$", description: "Name of the variable" }) },
  { additionalProperties: false },
);

export const envSchemas = {
  envList: { reply: Type.Array(Type.String({ description: "NAME=value" })) },
  envGet: { path, reply: Type.String() },
  envSet: {
    path,
    query: Type.Object(
      {
        val: Type.Optional(
          Type.String({ pattern: "^[^\\u0000]*$", description: "Empty when left out, as in OSv" }),
        ),
      },
      { additionalProperties: false },
    ),
    reply: Type.Literal(""),
  },
  envUnset: { path, reply: Type.Literal("") },
} satisfies Record<string, OperationSchemas>;
