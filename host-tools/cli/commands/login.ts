/** `windlass login`. */
import type { Readable } from "node:stream";
import {
  type Credentials,
  credentialsPath,
  saveCredentials,
} from "../../../image-builder/registry/credentials.ts";
import { checkLogin } from "../../../image-builder/registry/login-check.ts";
import { registryHost } from "../../../image-builder/registry/reference.ts";
import { HostError } from "../../errors.ts";
import type { Execute, Invocation } from "../invocation.ts";
import { askLine } from "../terminal-question.ts";

const PASSWORD_BYTES_MAX = 64 * 1024;

export const execute: Execute<"login"> = async (invocation) => {
  const { options, operands, output, signal } = invocation;
  const host = registryHost(operands[0] ?? "");
  const credentials = await ask(invocation, host);
  const asked = await checkLogin(host, credentials, { plainHttp: options["plain-http"], signal });
  if (!asked) output.note(`note: registry "${host}" does not ask for a password`);
  await saveCredentials(host, credentials);
  await output.print(`Logged in to ${host} as ${credentials.user} (${credentialsPath()})\n`);
  return 0;
};

/** @throws {HostError} WL_USAGE where nobody can be asked */
async function ask(invocation: Invocation<"login">, host: string): Promise<Credentials> {
  const { options, signal } = invocation;
  const isTerminal = process.stdin.isTTY === true;
  if (!options["password-stdin"] && !isTerminal) {
    const next = `windlass login ${host} -u USER --password-stdin < FILE`;
    throw new HostError("WL_USAGE", "There is no terminal to ask for the password on", { next });
  }
  if (options["password-stdin"] && options.username === undefined) {
    const next = `windlass login ${host} -u USER --password-stdin`;
    throw new HostError("WL_USAGE", "--password-stdin needs the user's name", { next });
  }
  const user = options.username ?? (await askLine("User: ", { isHidden: false, signal }));
  const password = options["password-stdin"]
    ? await firstLine(process.stdin)
    : await askLine("Password: ", { isHidden: true, signal });
  if (user === "" || user.includes(":") || password === "") {
    throw new HostError("WL_USAGE", "A user's name without colon and a password are needed");
  }
  return { user, password };
}

/** Without the line end that editors and echo leave behind. */
async function firstLine(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > PASSWORD_BYTES_MAX) throw new HostError("WL_USAGE", "The password is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
