/** /network, from Node's list of addresses and the counters and routes in /proc/net. */
import { readFileSync } from "node:fs";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Interface, NetworkRoute } from "../api/network.ts";
import { AgentError } from "./agent-error.ts";
import type { Agent, Operations } from "./operation.ts";
import { type InterfaceCounters, Procfs } from "./procfs.ts";

/** Interface flags of Linux (include/uapi/linux/if.h), in FreeBSD's words and order. */
const FLAGS: readonly (readonly [number, string])[] = [
  [0x1, "UP"],
  [0x2, "BROADCAST"],
  [0x8, "LOOPBACK"],
  [0x10, "POINTOPOINT"],
  [0x40, "RUNNING"],
  [0x80, "NOARP"],
  [0x100, "PROMISC"],
  [0x200, "ALLMULTI"],
  [0x1000, "MULTICAST"],
];

export function networkOperations({ system }: Agent): Operations<"network"> {
  const procfs = new Procfs(system.procRoot);
  const timeUs = (): number => Math.round(procfs.uptimeSeconds() * 1e6);
  const describe = (counters: InterfaceCounters, time: number): Interface => {
    const sysfs = (file: string): string => {
      try {
        const path = join(system.sysRoot, "class/net", counters.name, file);
        return readFileSync(path, "utf8").trim();
      } catch {
        return "";
      }
    };
    return { ...describeInterface(counters, sysfs), time };
  };
  return {
    networkInterfaces: () => {
      const time = timeUs();
      return procfs.interfaces().map((counters) => describe(counters, time));
    },
    networkInterface: ({ path }) => {
      const counters = procfs.interfaces().find(({ name }) => name === path.intf);
      if (counters === undefined) {
        throw new AgentError("WL_AGENT_NOT_FOUND", `Interface ${path.intf} not found`);
      }
      return describe(counters, timeUs());
    },
    networkRoutes: () => [
      ...parseRoutes(procfs.textIfAny("net/route")),
      ...parseRoutes6(procfs.textIfAny("net/ipv6_route")),
    ],
  };
}

function describeInterface(
  counters: InterfaceCounters,
  sysfs: (file: string) => string,
): Omit<Interface, "time"> {
  const address = ipv4Of(counters.name);
  const mtu = sysfs("mtu");
  const bits = Number(sysfs("flags") || 0);
  return {
    config: {
      name: counters.name,
      addr: address?.address ?? "",
      mask: address?.netmask ?? "",
      broadcast: address ? broadcast(address.address, address.netmask) : "",
      flags: FLAGS.filter(([bit]) => (bits & bit) !== 0)
        .map(([, word]) => word)
        .join(" "),
      mtu,
      phys_addr: sysfs("address"),
    },
    data: {
      ifi_mtu: Number(mtu || 0),
      ifi_ipackets: counters.rxPackets,
      ifi_ierrors: counters.rxErrors,
      ifi_opackets: counters.txPackets,
      ifi_oerrors: counters.txErrors,
      ifi_collisions: counters.txCollisions,
      ifi_ibytes: counters.rxBytes,
      ifi_obytes: counters.txBytes,
      ifi_imcasts: counters.rxMulticast,
      ifi_iqdrops: counters.rxDropped,
    },
  };
}

function ipv4Of(name: string): NetworkInterfaceInfo | undefined {
  return networkInterfaces()[name]?.find(({ family }) => family === "IPv4");
}

function broadcast(address: string, mask: string): string {
  const masks = mask.split(".").map(Number);
  return address
    .split(".")
    .map((byte, index) => Number(byte) | (~(masks[index] ?? 255) & 255))
    .join(".");
}

/** /proc/net/route: addresses are hexadecimal in the byte order of the CPU, here little-endian. */
export function parseRoutes(text: string): NetworkRoute[] {
  const lines = text.trim().split("\n").slice(1);
  return lines.map((line) => {
    const [netif = "", destination = "", gateway = "", flags = "", , , , mask = ""] =
      line.split(/\s+/);
    const prefix = ones(Number.parseInt(mask, 16));
    return {
      destination: prefix === 0 ? "default" : `${ipv4(destination)}/${prefix}`,
      gateway: Number.parseInt(gateway, 16) === 0 ? `link#${netif}` : ipv4(gateway),
      flags: routeFlags(Number.parseInt(flags, 16)),
      netif,
      ipv6: false,
    };
  });
}

/** /proc/net/ipv6_route: destination, prefix, source, prefix, next hop, metric, ref, use, flags. */
export function parseRoutes6(text: string): NetworkRoute[] {
  const routes: NetworkRoute[] = [];
  for (const line of text.trim().split("\n")) {
    const field = line.trim().split(/\s+/);
    const [destination = "", prefixHex = "", , , nextHop = ""] = field;
    const flags = Number.parseInt(field[8] ?? "0", 16);
    const netif = field[9];
    // Only routes that are up; the kernel's own "unreachable" entries are on lo with RTF_REJECT.
    if (netif === undefined || (flags & 0x1) === 0 || (flags & 0x200) !== 0) continue;
    const prefix = Number.parseInt(prefixHex, 16);
    routes.push({
      destination: prefix === 0 ? "default" : `${ipv6(destination)}/${prefix}`,
      gateway: /^0+$/.test(nextHop) ? `link#${netif}` : ipv6(nextHop),
      flags: routeFlags(flags),
      netif,
      ipv6: true,
    });
  }
  return routes;
}

/** RTF_UP, RTF_GATEWAY, RTF_HOST of include/uapi/linux/route.h. */
function routeFlags(bits: number): string {
  return `${bits & 1 ? "U" : ""}${bits & 2 ? "G" : ""}${bits & 4 ? "H" : ""}`;
}

function ipv4(hexLittleEndian: string): string {
  return [...Buffer.from(hexLittleEndian, "hex")].reverse().join(".");
}

function ipv6(hex: string): string {
  const groups = hex.match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

function ones(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count += 1;
  return count;
}
