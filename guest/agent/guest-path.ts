/**
 * Paths in the guest that callers name. HTTP has decoded them once already; what still looks encoded
 * is part of a name. `..` is refused rather than resolved, as OSv does: no honest client needs it.
 */
import { AgentError } from "./agent-error.ts";

/** @returns the absolute path without empty and `.` parts @throws {AgentError} 400 on `..` or NUL */
export function guestPath(given: string): string {
  if (given.includes("\0")) throw new AgentError("WL_AGENT_BAD_REQUEST", "The path holds a NUL");
  const parts = given.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new AgentError("WL_AGENT_BAD_REQUEST", `The path "${given}" holds ".."`);
  }
  return `/${parts.join("/")}`;
}
