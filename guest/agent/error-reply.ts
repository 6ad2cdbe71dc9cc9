/** Every refusal leaves through here: Fastify's shape under /v1, OSv's everywhere else. */
import { STATUS_CODES } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ErrorReply, OsvErrorReply } from "../api/error-reply.ts";
import type { Role } from "../api/instance-document.ts";
import { AgentError } from "./agent-error.ts";

/** Tells the caller which credentials are asked for (RFC 6750, section 3). */
export const AUTHENTICATE = 'Bearer realm="windlass"';

/** A message quotes what the caller sent, which may be as long as a request. */
const MESSAGE_MAX_CHARACTERS = 4096;

export function errorReply(error: unknown): ErrorReply {
  const { statusCode = 500, code } = error as { statusCode?: number; code?: string };
  const message = error instanceof Error ? error.message : String(error);
  return {
    statusCode,
    code: code ?? "WL_AGENT_INTERNAL",
    error: STATUS_CODES[statusCode] ?? "Error",
    message:
      message.length > MESSAGE_MAX_CHARACTERS
        ? `${message.slice(0, MESSAGE_MAX_CHARACTERS)}...`
        : message,
  };
}

export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const full = errorReply(error);
  const { statusCode } = full;
  const body: ErrorReply | OsvErrorReply = isOurs(request.url)
    ? full
    : { message: full.message, code: statusCode };
  if (statusCode === 401) reply.header("www-authenticate", AUTHENTICATE);
  reply
    .code(statusCode)
    .header("content-type", "application/json; charset=utf-8")
    .send(JSON.stringify(body));
}

export function unauthorized(): AgentError {
  return new AgentError(
    "WL_AGENT_UNAUTHORIZED",
    "This needs a known token: send it as Authorization: Bearer TOKEN",
  );
}

export function forbidden(role: Role): AgentError {
  return new AgentError("WL_AGENT_FORBIDDEN", `The role ${role} may not do this: it needs admin`);
}

function isOurs(url: string): boolean {
  return url.startsWith("/v1") && (url.length === 3 || url[3] === "/" || url[3] === "?");
}
