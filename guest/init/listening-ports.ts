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
  const ports = (text: string, state: string): number[] =>
    text
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === state)
      .map((fields) => Number.parseInt(fields[1]?.split(":")[1] ?? "", 16))
      .filter((port) => port > 0);
  const unique = (found: number[]): number[] => [...new Set(found)].sort((a, b) => a - b);
  const tcp = unique([...ports(tables.tcp, TCP_LISTEN), ...ports(tables.tcp6, TCP_LISTEN)]);
  const udp = unique([
    ...ports(tables.udp, UDP_UNCONNECTED),
    ...ports(tables.udp6, UDP_UNCONNECTED),
  ]);
  return [
    ...tcp.map((port) => ({ port, protocol: "tcp" as const })),
    ...udp.map((port) => ({ port, protocol: "udp" as const })),
  ];
}
