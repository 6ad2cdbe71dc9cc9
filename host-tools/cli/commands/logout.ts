/** `windlass logout`. */
import { findCredentials, removeCredentials } from "../../../image-builder/registry/credentials.ts";
import { registryHost } from "../../../image-builder/registry/reference.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"logout"> = async ({ operands, output }) => {
  const host = registryHost(operands[0] ?? "");
  const found = await removeCredentials(host);
  await output.print(
    found ? `Forgot the password of ${host}\n` : `No password of ${host} is kept\n`,
  );
  if ((await findCredentials(host)).credentials) {
    output.note(`note: Docker's file still has one; "docker logout ${host}" removes it`);
  }
  return 0;
};
