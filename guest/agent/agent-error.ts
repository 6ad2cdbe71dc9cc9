/** Refusals the caller can act on. Everything else that is thrown is a fault of the agent: 500. */

/** Each code and the HTTP status it is sent with. */
export const AGENT_ERROR_STATUS = {
  WL_AGENT_BAD_REQUEST: 400,
  WL_AGENT_UNAUTHORIZED: 401,
  WL_AGENT_FORBIDDEN: 403,
  WL_AGENT_NOT_FOUND: 404,
  WL_AGENT_CONFLICT: 409,
  WL_AGENT_TOO_LARGE: 413,
  WL_AGENT_EXEC_FAILED: 422,
  WL_AGENT_INTERNAL: 500,
  WL_AGENT_UNSUPPORTED: 501,
  WL_AGENT_BUSY: 503,
} as const;
export type AgentErrorCode = keyof typeof AGENT_ERROR_STATUS;

export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly code: AgentErrorCode;
  readonly statusCode: number;

  /** @param message what is wrong and, where it helps, what to do; no full stop */
  constructor(code: AgentErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.statusCode = AGENT_ERROR_STATUS[code];
  }
}

/** Puts a failed file operation in the caller's words: 404 when there is nothing, else 400 or 500. */
export function fileError(what: string, error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case "ENOENT":
      return new AgentError("WL_AGENT_NOT_FOUND", `${what}: no such file or folder`, error);
    case "ENOSPC":
      return new AgentError("WL_AGENT_TOO_LARGE", `${what}: no space left in the guest`, error);
    default:
      return new AgentError(
        code === undefined || code === "EIO" ? "WL_AGENT_INTERNAL" : "WL_AGENT_BAD_REQUEST",
        `${what}: ${error instanceof Error ? error.message : String(error)}`,
        error,
      );
  }
}
