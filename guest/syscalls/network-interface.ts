/** IPv4 configuration of network interfaces through the classic ioctls (guest/api/network-structures.ts). */
import {
  addressRequest,
  downRequest,
  hardwareAddressRequest,
  NETWORK_IOCTL,
  type Route as PlainRoute,
  routeEntry,
  upRequest,
} from "../api/network-structures.ts";
import { type NativeLibrary, systemCallError } from "./koffi.ts";

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const EEXIST = 17;

export interface Route extends PlainRoute {
  /** Absent: the kernel finds the device from the gateway. */
  readonly device?: string;
}

export interface NetworkInterfaces {
  /** Brings an interface up. */
  up(name: string): void;
  down(name: string): void;
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
  const entryOf = ({ device, ...route }: Route): Buffer =>
    routeEntry(route, device === undefined ? 0n : native.address(strdup(device)));
  const { setFlags, setAddress, setMask, setHardwareAddress, addRoute, deleteRoute } =
    NETWORK_IOCTL;
  return {
    up(name) {
      call(setFlags, upRequest(name), `bring ${name} up`);
    },
    down(name) {
      call(setFlags, downRequest(name), `take ${name} down`);
    },
    setAddress(name, address, mask) {
      call(setAddress, addressRequest(name, address), `give ${name} the address ${address}`);
      call(setMask, addressRequest(name, mask), `give ${name} the mask ${mask}`);
    },
    setHardwareAddress(name, address) {
      const what = `give ${name} the hardware address ${address}`;
      call(setHardwareAddress, hardwareAddressRequest(name, address), what);
    },
    addRoute(route) {
      call(addRoute, entryOf(route), `add the route to ${route.destination}`, EEXIST);
    },
    deleteRoute(route) {
      call(deleteRoute, entryOf(route), `delete the route to ${route.destination}`);
    },
    close() {
      close(fd);
    },
  };
}
