/** /v1/metrics: Prometheus text format 0.0.4. The names of the metrics are part of the contract. */
import type { OperationSchemas } from "./operation-schemas.ts";

export const metricsSchemas = {
  metrics: {},
} satisfies Record<string, OperationSchemas>;
