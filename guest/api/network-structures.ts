/**
 * What the classic network ioctls take (netdevice(7), rtentry in include/uapi/linux/route.h), as bytes. Pure.
 *
 * struct ifreq, 40 bytes: name at 0 (16), then at 16 a sockaddr_in (family u16, port u16, address), a
 * hardware address (family u16, 6 bytes), the flags (u16) or the index. struct rtentry, 120 bytes: destination
 * at 8, gateway at 24, mask at 40 (sockaddr_in each), flags u16 at 56, device name pointer at 88.
 */

export const NETWORK_IOCTL = {
  addRoute: 0x890b,
  deleteRoute: 0x890c,
  setFlags: 0x8914,
  setAddress: 0x8916,
  setMask: 0x891c,
  setHardwareAddress: 0x8924,
} as const;

const IFREQ_BYTES = 40;
const RTENTRY_BYTES = 120;
const AF_INET = 2;
/** ARPHRD_ETHER (include/uapi/linux/if_arp.h) */
const ETHERNET = 1;
/** IFF_UP | IFF_RUNNING */
const FLAGS_UP = 0x41;
const RTF_UP = 1;
const RTF_GATEWAY = 2;

export interface Route {
  /** "0.0.0.0" with mask "0.0.0.0" is the default route. */
  readonly destination: string;
  readonly mask: string;
  /** Absent: the destination is reached over the device directly. */
  readonly gateway?: string | undefined;
}

/** Of setFlags. */
export function upRequest(device: string): Buffer {
  const request = interfaceRequest(device);
  request.writeUInt16LE(FLAGS_UP, 16);
  return request;
}

/** Of setFlags. */
export function downRequest(device: string): Buffer {
  return interfaceRequest(device);
}

/** Of setAddress and setMask. @throws {RangeError} when it is no IPv4 address */
export function addressRequest(device: string, address: string): Buffer {
  const request = interfaceRequest(device);
  writeSocketAddress(request, 16, address);
  return request;
}

/** Of setHardwareAddress. */
export function hardwareAddressRequest(device: string, address: string): Buffer {
  const request = interfaceRequest(device);
  request.writeUInt16LE(ETHERNET, 16);
  request.set(Buffer.from(address.replaceAll(":", ""), "hex"), 18);
  return request;
}

/** Of addRoute and deleteRoute. @param device pointer to its name; 0 has the kernel find it from the gateway */
export function routeEntry({ destination, mask, gateway }: Route, device = 0n): Buffer {
  const entry = Buffer.alloc(RTENTRY_BYTES);
  writeSocketAddress(entry, 8, destination);
  writeSocketAddress(entry, 24, gateway ?? "0.0.0.0");
  writeSocketAddress(entry, 40, mask);
  entry.writeUInt16LE(gateway === undefined ? RTF_UP : RTF_UP | RTF_GATEWAY, 56);
  entry.writeBigUInt64LE(device, 88);
  return entry;
}

/** 24 gives "255.255.255.0". @throws {RangeError} */
export function maskOf(prefixLength: number): string {
  if (!(prefixLength >= 0 && prefixLength <= 32)) {
    throw new RangeError(`${prefixLength} is not a prefix length`);
  }
  const bits = prefixLength === 0 ? 0 : (0xffff_ffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join(".");
}

function interfaceRequest(name: string): Buffer {
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name, 0, 15, "latin1"); // IFNAMSIZ with its terminating zero
  return request;
}

function writeSocketAddress(target: Buffer, offset: number, address: string): void {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) {
    throw new RangeError(`"${address}" is not an IPv4 address`);
  }
  target.writeUInt16LE(AF_INET, offset);
  target.set(parts, offset + 4);
}
