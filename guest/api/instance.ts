/** /v1/instance: which instance this is. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

/** Raised when a client written for the previous contract would break. */
export const API_VERSION = 1;

export const InstanceReply = Type.Object(
  {
    apiVersion: Type.Integer({ description: "Of this contract" }),
    id: Type.String(),
    name: Type.String(),
    version: Type.String({ description: "Windlass that built the agent" }),
    platform: Type.Union([Type.Literal("linux"), Type.Literal("osv")]),
    kernel: Type.String({ description: "Release of the kernel" }),
    node: Type.String({ description: "Node that runs the agent" }),
    bootTime: Type.String({ description: "ISO 8601" }),
  },
  { additionalProperties: false },
);
export type InstanceReply = Static<typeof InstanceReply>;

export const instanceSchemas = {
  instance: { reply: InstanceReply },
} satisfies Record<string, OperationSchemas>;
