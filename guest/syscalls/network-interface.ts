/**
 * IPv4 configuration of network interfaces through the classic ioctls (netdevice(7), rtentry in
 * include/uapi/linux/route.h).
 *
 * struct ifreq, 40 bytes: name at 0 (16), then at 16 a sockaddr_in (family u16, port u16, address), a
 * hardware address (family u16, 6 bytes), the flags (u16) or the index. struct rtentry, 120 bytes: destination at 8, gateway at 24, mask at
 * 40 (sockaddr_in each), flags u16 at 56, device name pointer at 88.
 */
import { type NativeLibrary, systemCallError } from "./koffi.ts";

const SIOCADDRT = 0x890b;
const SIOCDELRT = 0x890c;
const SIOCSIFFLAGS = 0x8914;
const SIOCSIFADDR = 0x8916;
const SIOCSIFNETMASK = 0x891c;
const SIOCSIFHWADDR = 0x8924;
const IFREQ_BYTES = 40;
const RTENTRY_BYTES = 120;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
/** ARPHRD_ETHER (include/uapi/linux/if_arp.h) */
const ETHERNET = 1;
/** IFF_UP | IFF_RUNNING */
const FLAGS_UP = 0x41;
const RTF_UP = 1;
const RTF_GATEWAY = 2;
const EEXIST = 17;

export interface Route {
  /** "0.0.0.0" with mask "0.0.0.0" is the default route. */
  readonly destination: string;
  readonly mask: string;
  /** Absent: the destination is reached over `device` directly. */
  readonly gateway?: string;
  /** Absent: the kernel finds the device from the gateway. */
  readonly device?: string;
}

export interface NetworkInterfaces {
  /** Brings an interface up. */
  up(name: string): void;
  /** Sets address and mask, and so the route to the network itself. */
  setAddress(name: string, address: string, mask: string): void;
  /** "52:57:00:01:02:03"; an interface that is up stays up. */
  setHardwareAddress(name: string, address: string): void;
  /** A route that exists already is fine. */
  addRoute(route: Route): void;
  deleteRoute(route: Route): void;
  close(): void;
}

export function networkInterfaces(native: NativeLibrary): NetworkInterfaces {
  const socket = native.libc.func("int socket(int domain, int type, int protocol)");
  const ioctl = native.libc.func("int ioctl(int fd, unsigned long request, void *argument)");
  const close = native.libc.func("int close(int fd)");
  const strdup = native.libc.func("void *strdup(const char *text)");
  const fd: number = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw systemCallError("socket", native.errno(), "network configuration");

  const call = (request: number, argument: Buffer, what: string, tolerated?: number): void => {
    if (ioctl(fd, request, argument) === 0) return;
    const errno = native.errno();
    if (errno !== tolerated) throw systemCallError("ioctl", errno, what);
  };
  const routeEntry = (route: Route): Buffer => {
    const entry = Buffer.alloc(RTENTRY_BYTES);
    writeSocketAddress(entry, 8, route.destination);
    writeSocketAddress(entry, 24, route.gateway ?? "0.0.0.0");
    writeSocketAddress(entry, 40, route.mask);
    entry.writeUInt16LE(route.gateway ? RTF_UP | RTF_GATEWAY : RTF_UP, 56);
    if (route.device) entry.writeBigUInt64LE(native.address(strdup(route.device)), 88);
    return entry;
  };
  return {
    up(name) {
      const request = interfaceRequest(name);
      request.writeUInt16LE(FLAGS_UP, 16);
      call(SIOCSIFFLAGS, request, `bring ${name} up`);
    },
    setAddress(name, address, mask) {
      const request = interfaceRequest(name);
      writeSocketAddress(request, 16, address);
      call(SIOCSIFADDR, request, `give ${name} the address ${address}`);
      writeSocketAddress(request, 16, mask);
      call(SIOCSIFNETMASK, request, `give ${name} the mask ${mask}`);
    },
    setHardwareAddress(name, address) {
      const request = interfaceRequest(name);
      request.writeUInt16LE(ETHERNET, 16);
      request.set(Buffer.from(address.replaceAll(":", ""), "hex"), 18);
      call(SIOCSIFHWADDR, request, `give ${name} the hardware address ${address}`);
    },
    addRoute(route) {
      call(SIOCADDRT, routeEntry(route), `add the route to ${route.destination}`, EEXIST);
    },
    deleteRoute(route) {
      call(SIOCDELRT, routeEntry(route), `delete the route to ${route.destination}`);
    },
    close() {
      close(fd);
    },
  };
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
