/** What `-p` says: which host address and port lead to which port of the guest. Pure. */
import { isIPv4, isIPv6 } from "node:net";
import { HostError } from "../errors.ts";
import type { PortForward } from "../qemu/machine.ts";

/** Published ports are for this host alone, unless an address is given. */
export const DEFAULT_HOST_ADDRESS = "127.0.0.1";

/** A forward whose host port may still have to be chosen. */
export interface PublishRequest extends Omit<PortForward, "hostPort"> {
  /** Undefined: any free port. */
  readonly hostPort: number | undefined;
}

const FORMS = "Write -p 8080:80, -p 127.0.0.1:8080:80, -p 80 or -p 5353:53/udp";

/**
 * Reads `[[address:][hostPort]:]guestPort[/tcp|/udp]` with Docker's meanings: without a host port,
 * or with 0, a free one is chosen. Docker's ranges and IPv6 addresses are refused in words.
 *
 * @throws {HostError} WL_USAGE
 */
export function parsePublish(text: string): PublishRequest {
  const refuse = (why: string): HostError =>
    new HostError("WL_USAGE", `Cannot publish "${text}": ${why}`, { next: FORMS });

  const [ports = "", protocol = "tcp", ...beyond] = text.split("/");
  if (beyond.length > 0 || (protocol !== "tcp" && protocol !== "udp")) {
    throw refuse("the protocol is tcp or udp");
  }
  const words = ports.split(":");
  if (ports.includes("[") || isIPv6(ports) || words.length > 3) {
    throw refuse("only IPv4 addresses can be published on");
  }
  if (words.slice(-2).some((word) => /^\d+-\d+$/.test(word))) {
    throw refuse("port ranges are not supported, give every port its own -p");
  }
  const [guestWord = "", hostWord = "", address] = words.reverse();
  const hostAddress = address || DEFAULT_HOST_ADDRESS;
  if (!isIPv4(hostAddress)) throw refuse(`"${hostAddress}" is no IPv4 address`);
  const guestPort = readPort(guestWord);
  if (guestPort === undefined || guestPort === 0) {
    throw refuse(`"${guestWord}" is no guest port (1 to 65535)`);
  }
  const hostPort = hostWord === "" ? 0 : readPort(hostWord);
  if (hostPort === undefined) throw refuse(`"${hostWord}" is no host port (0 to 65535)`);
  return { protocol, hostAddress, hostPort: hostPort === 0 ? undefined : hostPort, guestPort };
}

/** 0 to 65535, in decimal digits only: "08" is 8 to people, 0x50 and 1e3 are typing errors. */
function readPort(word: string): number | undefined {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : Number.NaN;
  return port <= 65_535 ? port : undefined;
}
