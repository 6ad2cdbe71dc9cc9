/** The schemas of every operation in `routes.ts`, and the types that follow from them. */
import type { Static, TSchema } from "typebox";
import { apiSchemas } from "./api.ts";
import { appSchemas } from "./app.ts";
import { archiveSchemas } from "./archive.ts";
import { clockSchemas } from "./clock.ts";
import { envSchemas } from "./env.ts";
import { execSchemas } from "./exec.ts";
import { fileSchemas } from "./file.ts";
import { fsSchemas } from "./fs.ts";
import { hardwareSchemas } from "./hardware.ts";
import { healthSchemas } from "./health.ts";
import { instanceSchemas } from "./instance.ts";
import { logsSchemas } from "./logs.ts";
import { metricsSchemas } from "./metrics.ts";
import { networkSchemas } from "./network.ts";
import { openapiSchemas } from "./openapi.ts";
import type { OperationSchemas } from "./operation-schemas.ts";
import { osSchemas } from "./os.ts";
import { programSchemas } from "./program.ts";
import type { OperationId } from "./routes.ts";
import { statsSchemas } from "./stats.ts";
import { templateSchemas } from "./template.ts";

export const schemas = {
  ...osSchemas,
  ...envSchemas,
  ...fileSchemas,
  ...fsSchemas,
  ...hardwareSchemas,
  ...networkSchemas,
  ...appSchemas,
  ...apiSchemas,
  ...programSchemas,
  ...logsSchemas,
  ...execSchemas,
  ...archiveSchemas,
  ...metricsSchemas,
  ...healthSchemas,
  ...statsSchemas,
  ...instanceSchemas,
  ...clockSchemas,
  ...templateSchemas,
  ...openapiSchemas,
} satisfies Record<OperationId, OperationSchemas>;

type Schemas = typeof schemas;
type Part<Id extends OperationId, P extends string> =
  Schemas[Id] extends Record<P, infer S extends TSchema> ? Static<S> : undefined;

/** What an operation is called with; a part it does not take is absent. */
export type Arguments<Id extends OperationId> = {
  [P in keyof Schemas[Id] & ("path" | "query" | "body")]: Part<Id, P>;
};

/** What an operation replies with as JSON, or line by line; `undefined` for other bodies. */
export type ReplyOf<Id extends OperationId> = Part<Id, "reply">;
