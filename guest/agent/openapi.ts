/** /v1/openapi.json: the committed document, in the bundle as data that is parsed when asked for. */
import document from "../openapi.json" with { type: "json" };
import type { Operations } from "./operation.ts";

export function openapiOperations(): Operations<"openapi"> {
  return { openapi: () => document };
}
