/** Tries a name and a password on a registry. */
import type { Credentials } from "./credentials.ts";
import { dropReply } from "./http-exchange.ts";
import { RegistryClient, type RegistryOptions } from "./registry-client.ts";

/**
 * @param host as `registryHost` gives it
 * @returns false when the registry does not ask for a password
 * @throws {ImageError} WL_IMAGE_REGISTRY when it refuses them
 */
export async function checkLogin(
  host: string,
  credentials: Credentials,
  options: RegistryOptions = {},
): Promise<boolean> {
  using client = new RegistryClient(host, "", { ...options, credentials });
  const nextWhenRefused = "Check the user's name and the password";
  const request = { method: "GET", target: "", what: "log in", nextWhenRefused } as const;
  dropReply(await client.request({ ...request, expected: [200] }));
  return client.wasChallenged;
}
