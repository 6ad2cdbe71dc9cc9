/** `windlass port`. */
import { programPort } from "../../../image-builder/manifest/quantity.ts";
import { HostError } from "../../errors.ts";
import { Instances } from "../../instance/instances.ts";
import { instanceView } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"port"> = async ({ options, operands, output }) => {
  const [name = "", wanted] = operands;
  const { ports } = instanceView(await new Instances().get(name));
  const filter = wanted === undefined ? undefined : parsePort(wanted);
  const found = ports.filter(
    ({ guestPort, protocol }) =>
      filter === undefined || (guestPort === filter.port && protocol === filter.protocol),
  );
  if (filter && found.length === 0) {
    throw new HostError("WL_PORT_UNAVAILABLE", `Port ${wanted} of "${name}" is not published`, {
      next: `"windlass port ${name}" lists those that are, while it runs`,
    });
  }
  if (options.json) {
    await output.json(found);
    return 0;
  }
  const lines = found.map(({ protocol, hostAddress, hostPort, guestPort }) => {
    const host = `${hostAddress}:${hostPort}`;
    return filter ? `${host}\n` : `${guestPort}/${protocol} -> ${host}\n`;
  });
  await output.print(lines.join(""));
  return 0;
};

function parsePort(text: string): ReturnType<typeof programPort> {
  try {
    return programPort(text);
  } catch (cause) {
    throw new HostError("WL_USAGE", (cause as Error).message, { next: "Write 80 or 53/udp" });
  }
}
