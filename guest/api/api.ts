/** /api: the server itself. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

/** Most calls in one batch. */
export const BATCH_MAX_CALLS = 64;

/** The form field `batch` holds this as JSON. */
export const Batch = Type.Array(
  Type.Object(
    { method: Type.String(), relative_url: Type.String({ pattern: "^/" }) },
    { additionalProperties: false },
  ),
  { maxItems: BATCH_MAX_CALLS },
);
export type Batch = Static<typeof Batch>;

export const apiSchemas = {
  apiBatch: {
    reply: Type.Array(
      Type.Object(
        {
          code: Type.Integer({ description: "HTTP status" }),
          body: Type.Unknown({ description: "The call's reply; a string when it is not JSON" }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  apiStop: { reply: Type.Literal("") },
} satisfies Record<string, OperationSchemas>;
