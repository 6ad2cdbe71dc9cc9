/** /v1/clock: the wall clock of a machine that stood still. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

/** A thousand years: whatever a checkpoint was kept for. */
const ADVANCE_MAX_MS = 1000 * 365.25 * 86_400_000;

export const ClockAdvance = Type.Object(
  {
    milliseconds: Type.Number({
      minimum: -ADVANCE_MAX_MS,
      maximum: ADVANCE_MAX_MS,
      description: "What has passed on the host while the machine stood still",
    }),
  },
  { additionalProperties: false },
);
export type ClockAdvance = Static<typeof ClockAdvance>;

export const clockSchemas = {
  clockAdvance: {
    body: ClockAdvance,
    reply: Type.Object(
      { timeMs: Type.Integer({ description: "Unix time in milliseconds, right afterwards" }) },
      { additionalProperties: false },
    ),
  },
} satisfies Record<string, OperationSchemas>;
