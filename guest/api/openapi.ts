/** /v1/openapi.json: the committed `guest/openapi.json`. */
import { Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

export const openapiSchemas = {
  openapi: { reply: Type.Record(Type.String(), Type.Unknown()) },
} satisfies Record<string, OperationSchemas>;
