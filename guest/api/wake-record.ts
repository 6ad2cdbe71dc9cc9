/** What a program in a clone is told when it wakes, and what it reported before it fell asleep. */
import { type Static, Type } from "typebox";
import { Parent } from "./parent.ts";

export const WakeIdentity = Type.Object(
  { id: Type.String(), name: Type.String(), hostname: Type.String() },
  { additionalProperties: false },
);
export type WakeIdentity = Static<typeof WakeIdentity>;

export const WakeRecord = Type.Union(
  [
    Type.Object(
      {
        kind: Type.Literal("clone"),
        instance: WakeIdentity,
        parent: Type.Union([Parent, Type.Null()], { description: "null when it is unknown" }),
        env: Type.Record(Type.String(), Type.String(), {
          description: "Late-bound environment variables",
        }),
        args: Type.Array(Type.String(), { description: "Late-bound arguments" }),
      },
      { additionalProperties: false, description: "This is another machine now" },
    ),
    Type.Object(
      { kind: Type.Literal("resume") },
      { additionalProperties: false, description: "It is still the same machine" },
    ),
  ],
  { description: "What a program is told when it wakes" },
);
export type WakeRecord = Static<typeof WakeRecord>;

export const ArmedReport = Type.Union([
  Type.Object({ ok: Type.Literal(true) }, { additionalProperties: false }),
  Type.Object({ error: Type.String() }, { additionalProperties: false }),
]);
export type ArmedReport = Static<typeof ArmedReport>;
