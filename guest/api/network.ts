/** /network: interfaces and routes, in the shapes of OSv (which are FreeBSD's `if_data`). */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

const count = Type.Integer({ minimum: 0 });
const byteCount = Type.Integer({ minimum: 0, description: "Bytes" });

/** The members of OSv's Interface_data that Linux has a counterpart for. */
export const InterfaceData = Type.Object(
  {
    ifi_mtu: byteCount,
    ifi_ipackets: count,
    ifi_ierrors: count,
    ifi_opackets: count,
    ifi_oerrors: count,
    ifi_collisions: count,
    ifi_ibytes: byteCount,
    ifi_obytes: byteCount,
    ifi_imcasts: count,
    ifi_iqdrops: count,
  },
  { additionalProperties: false },
);
export type InterfaceData = Static<typeof InterfaceData>;

export const Interface = Type.Object(
  {
    config: Type.Object(
      {
        name: Type.String(),
        addr: Type.String({ description: "IPv4 address, empty when there is none" }),
        mask: Type.String(),
        broadcast: Type.String(),
        flags: Type.String({ description: "UP, BROADCAST, ... separated by spaces" }),
        mtu: Type.String({ description: "Bytes, as a string" }),
        phys_addr: Type.String({ description: "MAC address" }),
      },
      { additionalProperties: false },
    ),
    data: InterfaceData,
    time: Type.Integer({ description: "Microseconds since boot" }),
  },
  { additionalProperties: false },
);
export type Interface = Static<typeof Interface>;

export const NetworkRoute = Type.Object(
  {
    destination: Type.String({ description: "Network with prefix length, or default" }),
    gateway: Type.String({ description: "Address, or link#INTERFACE when directly connected" }),
    flags: Type.String({ description: "U up, G through a gateway, H one host, S static" }),
    netif: Type.String({ description: "Interface" }),
    ipv6: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type NetworkRoute = Static<typeof NetworkRoute>;

export const networkSchemas = {
  networkInterfaces: { reply: Type.Array(Interface) },
  networkInterface: {
    path: Type.Object({ intf: Type.String() }, { additionalProperties: false }),
    reply: Interface,
  },
  networkRoutes: { reply: Type.Array(NetworkRoute) },
} satisfies Record<string, OperationSchemas>;
