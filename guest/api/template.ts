/** Templates: making a started machine ready to be saved, so that clones go on from there. */
import { type Static, Type } from "typebox";
import { InstanceDocument } from "./instance-document.ts";
import type { OperationSchemas } from "./operation-schemas.ts";
import { Parent } from "./parent.ts";

/** The last part of a wake message (wake-message.ts): who the machine is from now on. */
export const WakeDocument = Type.Object(
  {
    kind: Type.Union([Type.Literal("clone"), Type.Literal("resume")], {
      description: "resume: the machine that the template was taken from, which goes on as itself",
    }),
    parent: Type.Union([Parent, Type.Null()]),
    instance: InstanceDocument,
  },
  { additionalProperties: false },
);
export type WakeDocument = Static<typeof WakeDocument>;

/** Requests that the program is sent before it is saved: what has run once runs faster in a clone. */
export const WarmUp = Type.Object(
  {
    port: Type.Integer({ minimum: 1, maximum: 65535 }),
    path: Type.String({ pattern: "^/" }),
    requests: Type.Integer({ minimum: 1, maximum: 10_000 }),
    timeoutMs: Type.Integer({ minimum: 1, maximum: 600_000, description: "For all of them" }),
  },
  { additionalProperties: false },
);
export type WarmUp = Static<typeof WarmUp>;

export const templateSchemas = {
  templateWarmUp: {
    body: WarmUp,
    reply: Type.Object(
      {
        answered: Type.Integer({ description: "How many were answered, with whatever status" }),
        elapsedMs: Type.Number(),
      },
      { additionalProperties: false },
    ),
  },
  templateTrim: {
    reply: Type.Object(
      { freeBytes: Type.Integer({ description: "How much is free now" }) },
      { additionalProperties: false },
    ),
  },
  templatePrepare: {
    body: Type.Object(
      {
        timeoutMs: Type.Integer({
          minimum: 1,
          maximum: 600_000,
          description: "For the program's hooks to end",
        }),
      },
      { additionalProperties: false },
    ),
    reply: Type.Object(
      { hooked: Type.Array(Type.Integer(), { description: "Processes that wait in their hook" }) },
      { additionalProperties: false },
    ),
  },
} satisfies Record<string, OperationSchemas>;
