/** How a program that is not Node, or does not use `windlass/guest`, hears of templates and clones. */
import { type Static, Type } from "typebox";

export const ProgramHook = Type.Union(
  [
    Type.Object(
      { kind: Type.Literal("signal"), signal: Type.String({ pattern: "^SIG[A-Z0-9]+$" }) },
      { additionalProperties: false },
    ),
    Type.Object(
      {
        kind: Type.Literal("http"),
        port: Type.Integer({ minimum: 1, maximum: 65535 }),
        path: Type.String({ pattern: "^/" }),
      },
      { additionalProperties: false },
    ),
  ],
  { description: "Sent to the program, or posted to it on 127.0.0.1; 2xx says that it is done" },
);
export type ProgramHook = Static<typeof ProgramHook>;

export const ProgramHooks = Type.Object(
  {
    beforeTemplate: Type.Optional(ProgramHook),
    afterClone: Type.Optional(ProgramHook),
    settleMs: Type.Integer({
      minimum: 0,
      maximum: 60_000,
      description: "After a signal before a template: for the program to act on it",
    }),
  },
  { additionalProperties: false },
);
export type ProgramHooks = Static<typeof ProgramHooks>;
