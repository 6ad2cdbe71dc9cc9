/** /v1/exec: run a program in the guest. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

/** Bytes of stdout, and of stderr, that a JSON reply holds at most. */
export const EXEC_OUTPUT_MAX_BYTES = 1024 * 1024;

const common = {
  argv: Type.Array(Type.String({ pattern: "^[^\\u0000]*$" }), {
    minItems: 1,
    maxItems: 4096,
    description: "argv[0] is a path, or a name looked up in PATH",
  }),
  env: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: "Added to the environment" }),
  ),
  workdir: Type.Optional(
    Type.String({ pattern: "^/[^\\u0000]*$", description: "The program's when left out" }),
  ),
  user: Type.Optional(Type.String({ description: "name, uid, name:group or uid:gid" })),
};

/** Body of the plain request. */
export const ExecRequest = Type.Object(
  {
    ...common,
    stdin: Type.Optional(Type.String({ description: "UTF-8" })),
    timeoutMs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 3_600_000, description: "Then SIGKILL" }),
    ),
  },
  { additionalProperties: false },
);
export type ExecRequest = Static<typeof ExecRequest>;

export const ExecReply = Type.Object(
  {
    exitCode: Type.Union([Type.Integer(), Type.Null()]),
    signal: Type.Union([Type.String(), Type.Null()], { description: "That ended it" }),
    stdout: Type.String({ description: "UTF-8; other bytes are replaced by U+FFFD" }),
    stderr: Type.String({ description: "UTF-8; other bytes are replaced by U+FFFD" }),
    truncated: Type.Boolean({ description: "stdout or stderr was longer than is kept" }),
    timedOut: Type.Boolean({ description: "timeoutMs passed" }),
  },
  { additionalProperties: false },
);
export type ExecReply = Static<typeof ExecReply>;

/** First frame of the upgraded stream. */
export const ExecOpen = Type.Object(
  {
    ...common,
    tty: Type.Optional(Type.Boolean({ description: "stdin, stdout and stderr are a terminal" })),
    columns: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
    rows: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
  },
  { additionalProperties: false },
);
export type ExecOpen = Static<typeof ExecOpen>;

/** Payload of the frame `exit`. */
export const ExecExit = Type.Object(
  {
    exitCode: Type.Union([Type.Integer(), Type.Null()]),
    signal: Type.Union([Type.String(), Type.Null()]),
  },
  { additionalProperties: false },
);
export type ExecExit = Static<typeof ExecExit>;

/** Payload of the frame `resize`, in characters. */
export const ExecResize = Type.Object(
  {
    columns: Type.Integer({ minimum: 1, maximum: 65535 }),
    rows: Type.Integer({ minimum: 1, maximum: 65535 }),
  },
  { additionalProperties: false },
);
export type ExecResize = Static<typeof ExecResize>;

export const execSchemas = {
  exec: { body: ExecRequest, reply: ExecReply },
} satisfies Record<string, OperationSchemas>;
