/** /hardware: what the machine is made of. */
import { Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

export const hardwareSchemas = {
  hardwareProcessorFlags: { reply: Type.String({ description: "Separated by spaces" }) },
  hardwareProcessorCount: { reply: Type.Integer({ minimum: 1 }) },
  hardwareFirmwareVendor: { reply: Type.String() },
  hardwareHypervisor: { reply: Type.String() },
} satisfies Record<string, OperationSchemas>;
