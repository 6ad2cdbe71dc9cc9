/** /v1/instance: which instance this is. */
import { type Static, Type } from "typebox";
import { InstanceDocument } from "./instance-document.ts";
import type { OperationSchemas } from "./operation-schemas.ts";
import { Parent } from "./parent.ts";

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

/** Who a restored machine is from now on. Its programs go on and are told nothing. */
export const InstanceChange = Type.Object(
  {
    instance: InstanceDocument,
    parent: Type.Union([Parent, Type.Null()]),
    macAddress: Type.String({
      pattern: "^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$",
      description: "Of the network card",
    }),
    entropy: Type.String({
      pattern: "^[0-9a-f]{64}$",
      description:
        "Random bytes in hex, for the kernel: another machine of the same state has others",
    }),
  },
  { additionalProperties: false },
);
export type InstanceChange = Static<typeof InstanceChange>;

export const instanceSchemas = {
  instance: { reply: InstanceReply },
  instanceSet: { body: InstanceChange, reply: InstanceReply },
} satisfies Record<string, OperationSchemas>;
