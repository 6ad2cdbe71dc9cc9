/** `windlass api`. */
import { buffer } from "node:stream/consumers";
import { HostError } from "../../errors.ts";
import { Instances } from "../../instance/instances.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"api"> = async ({ operands, output, signal }) => {
  const [name = "", method = "", path = "", body] = operands;
  if (!/^[A-Za-z]+$/.test(method))
    throw usage(`"${method}" is no HTTP method`, "Write GET or POST");
  if (!/^\/[^\s]*$/.test(path)) {
    throw usage(`"${path}" is no path of the API`, "Write /os/version or another path");
  }
  const { client } = await new Instances().client(name);
  await using _client = client;
  const sent = body === "-" ? await buffer(process.stdin) : body;
  const reply = await client.raw(method.toUpperCase(), path, sent, { signal, timeoutMs: 0 });
  await output.print(reply.body);
  // A shell's prompt begins on a line of its own.
  if (output.isTerminal && reply.body.length > 0 && reply.body.at(-1) !== 10) {
    await output.print("\n");
  }
  if (reply.status < 400) return 0;
  throw new HostError(
    "WL_GUEST_REFUSED",
    `The agent answered ${method.toUpperCase()} ${path} with status ${reply.status}`,
    { next: "The reply's body says why", detail: { status: reply.status } },
  );
};

function usage(message: string, next: string): HostError {
  return new HostError("WL_USAGE", message, { next });
}
