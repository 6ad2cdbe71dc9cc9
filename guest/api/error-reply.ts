/** What the agent says when it refuses: Fastify's shape under /v1, OSv's everywhere else. */
import { type Static, Type } from "typebox";

export const ErrorReply = Type.Object(
  {
    statusCode: Type.Integer({ description: "The HTTP status" }),
    code: Type.String({ description: "Stable word for programs: WL_AGENT_..., FST_ERR_..." }),
    error: Type.String({ description: "The HTTP status in words" }),
    message: Type.String({ description: "For people" }),
  },
  { additionalProperties: false },
);
export type ErrorReply = Static<typeof ErrorReply>;

export const OsvErrorReply = Type.Object(
  {
    message: Type.String({ description: "For people" }),
    code: Type.Integer({ description: "The HTTP status" }),
  },
  { additionalProperties: false },
);
export type OsvErrorReply = Static<typeof OsvErrorReply>;
