/** The instance document (guest/api/instance-document.ts) of an instance: pure. */
import { createHash } from "node:crypto";
import type { GuestNetwork, InstanceDocument } from "../../guest/api/instance-document.ts";
import { hostnameOf, type InstanceRecord } from "./instance-record.ts";

/** QEMU's user network (net/slirp.c): the guest's address, the way out, the name server. */
const USER_NETWORK: GuestNetwork = {
  mode: "static",
  address: "10.0.2.15/24",
  gateway: "10.0.2.2",
  nameservers: ["10.0.2.3"],
};

export function instanceDocument(record: InstanceRecord): InstanceDocument {
  const { id, name, tokens, options } = record;
  return {
    version: 1,
    id,
    name,
    hostname: hostnameOf(name),
    tokens: [
      { role: "admin", sha256: sha256(tokens.admin) },
      { role: "monitor", sha256: sha256(tokens.monitor) },
    ],
    network: options.address === "static" ? USER_NETWORK : { mode: "dhcp" },
    program: options.program,
    ...(options.scratch && { scratch: { path: options.scratch.path } }),
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
