/** Names in archives that come from somebody else. Pure. */
import { HostError } from "../errors.ts";

/** @throws {HostError} WL_GUEST_PROTOCOL when the name is absolute, or holds ".." or a NUL */
export function entryParts(name: string): string[] {
  if (name.startsWith("/") || name.includes("\0")) throw hostileEntry(name, "its name is absolute");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw hostileEntry(name, 'its name holds ".."');
  return parts;
}

export function hostileEntry(name: string, why: string): HostError {
  return new HostError("WL_GUEST_PROTOCOL", `The archive's entry "${name}" is refused: ${why}`, {
    next: "Do not trust this guest; nothing was written outside of the destination",
  });
}
