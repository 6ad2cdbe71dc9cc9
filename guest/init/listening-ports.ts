/** Which ports of the guest are listened on, from /proc/net (proc(5)). Pure. */
import type { ProgramPort } from "../api/program.ts";

/** st column of a listening TCP socket, and of an unconnected UDP socket: include/net/tcp_states.h. */
const TCP_LISTEN = "0A";
const UDP_UNCONNECTED = "07";

export interface SocketTables {
  readonly tcp: string;
  readonly tcp6: string;
  readonly udp: string;
  readonly udp6: string;
}

/** Every port once, in ascending order, TCP before UDP. */
export function listeningPorts(tables: SocketTables): ProgramPort[] {
  return portsOf(tables, () => true);
}

/** Those that only the guest itself reaches: every socket of theirs is bound to a loopback address. */
export function loopbackPorts(tables: SocketTables): ProgramPort[] {
  const open = portsOf(tables, (address) => !isLoopback(address));
  return listeningPorts(tables).filter(
    (one) => !open.some(({ port, protocol }) => port === one.port && protocol === one.protocol),
  );
}

function portsOf(tables: SocketTables, accept: (address: string) => boolean): ProgramPort[] {
  const ports = (protocol: ProgramPort["protocol"], text: string, state: string): ProgramPort[] => {
    const found = text
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === state)
      .map((fields) => fields[1]?.split(":") ?? [])
      .filter(([address = ""]) => accept(address))
      .map(([, port = ""]) => Number.parseInt(port, 16))
      .filter((port) => port > 0);
    return [...new Set(found)].sort((a, b) => a - b).map((port) => ({ port, protocol }));
  };
  return [
    ...ports("tcp", `${tables.tcp}\n${tables.tcp6}`, TCP_LISTEN),
    ...ports("udp", `${tables.udp}\n${tables.udp6}`, UDP_UNCONNECTED),
  ];
}

/** Addresses are hexadecimal, each 32-bit word in the machine's byte order: 0100007F is 127.0.0.1. */
function isLoopback(address: string): boolean {
  const isIpv4Loopback = (word: string): boolean => word.slice(6) === "7F";
  if (address.length === 8) return isIpv4Loopback(address);
  const isMapped = address.startsWith("0000000000000000FFFF0000");
  return (
    address === "00000000000000000000000001000000" ||
    (isMapped && isIpv4Loopback(address.slice(24)))
  );
}
