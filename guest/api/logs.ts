/** /v1/logs: what the program wrote, from the agent's bounded memory, and what it writes. */
import { type Static, Type } from "typebox";
import { NoticeRecord, OutputRecord } from "./journal.ts";
import type { OperationSchemas } from "./operation-schemas.ts";

/** One line of the reply. A notice says that records are missing and why. */
export const LogRecord = Type.Union([OutputRecord, NoticeRecord]);
export type LogRecord = Static<typeof LogRecord>;

export const logsSchemas = {
  logs: {
    query: Type.Object(
      {
        follow: Type.Optional(Type.Boolean({ description: "Stay and send what comes" })),
        sinceMs: Type.Optional(
          Type.Integer({ minimum: 0, description: "Unix time in milliseconds; not older" }),
        ),
        tail: Type.Optional(
          Type.Integer({ minimum: 0, description: "Only the last records; all when left out" }),
        ),
        stream: Type.Optional(Type.Union([Type.Literal("stdout"), Type.Literal("stderr")])),
      },
      { additionalProperties: false },
    ),
    reply: LogRecord,
  },
} satisfies Record<string, OperationSchemas>;
