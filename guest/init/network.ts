/** Brings the guest's network up as the instance document says. */
import { readFileSync, writeFileSync } from "node:fs";
import type { GuestNetwork } from "../api/instance-document.ts";
import { maskOf } from "../api/network-structures.ts";
import type { NetworkInterfaces } from "../syscalls/network-interface.ts";

const DEVICE = "eth0";
/** A server that has not answered by then will not: the machine comes up without network. */
const LEASE_TIMEOUT_MS = 10_000;

export async function configureNetwork(
  interfaces: NetworkInterfaces,
  network: GuestNetwork,
  hostname: string,
): Promise<void> {
  interfaces.up("lo");
  if (network.mode === "none") return;
  disableIpv6();
  if (network.mode === "static") {
    const [address = "", prefix = ""] = network.address.split("/");
    interfaces.setAddress(DEVICE, address, maskOf(Number(prefix)));
    interfaces.up(DEVICE);
    addDefaultRoute(interfaces, network.gateway);
    writeResolver(network.nameservers);
    return;
  }
  const { requestLease } = await import("./dhcp-client.ts");
  const hardwareAddress = Buffer.from(
    readFileSync(`/sys/class/net/${DEVICE}/address`, "latin1").trim().replaceAll(":", ""),
    "hex",
  );
  const signal = AbortSignal.timeout(LEASE_TIMEOUT_MS);
  const lease = await requestLease(interfaces, {
    device: DEVICE,
    hardwareAddress,
    hostname,
    signal,
  });
  interfaces.setAddress(DEVICE, lease.address, lease.mask);
  if (lease.gateway) addDefaultRoute(interfaces, lease.gateway);
  writeResolver(lease.nameservers);
}

/**
 * The network has none (command-line.ts of the host tools), and looking for neighbours and routers takes an
 * emulated CPU 10 ms. Sockets of IPv6, and ::1, are there.
 */
function disableIpv6(): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${DEVICE}/disable_ipv6`, "1", { flag: "r+" });
  } catch {
    // A kernel without IPv6.
  }
}

function addDefaultRoute(interfaces: NetworkInterfaces, gateway: string): void {
  interfaces.addRoute({ destination: "0.0.0.0", mask: "0.0.0.0", gateway });
}

function writeResolver(nameservers: readonly string[]): void {
  const lines = nameservers.map((address) => `nameserver ${address}\n`);
  writeFileSync("/etc/resolv.conf", lines.join(""));
}
