/** Where libuv waits for everything: its epoll(7) descriptor, which others can wait on in its place. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** st column of a listening socket in /proc/net/tcp: include/net/tcp_states.h. */
const TCP_LISTEN = "0A";

/**
 * The epoll descriptor of this process that watches the listener on a TCP port. There are others: Node's
 * helper threads have event loops of their own.
 *
 * @returns undefined when there is none
 */
export function eventDescriptor(port: number): number | undefined {
  const inode = listenerInode(sockets("tcp") + sockets("tcp6"), port);
  const descriptors = readdirSync("/proc/self/fd").map((fd) => ({ fd, what: targetOf(fd) }));
  const listener = descriptors.find(({ what }) => what === `socket:[${inode}]`)?.fd;
  const watches = new RegExp(`^tfd:\\s+${listener} `, "m");
  const found = descriptors.find(
    ({ fd, what }) =>
      what === "anon_inode:[eventpoll]" &&
      watches.test(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")),
  );
  return found && Number(found.fd);
}

/** A kernel without IPv6 has one table only. */
function sockets(table: "tcp" | "tcp6"): string {
  try {
    return readFileSync(`/proc/net/${table}`, "latin1");
  } catch {
    return "";
  }
}

/** From /proc/net/tcp and tcp6 (proc(5)): local address in column 1, state in 3, inode in 9. */
function listenerInode(table: string, port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = table.split("\n").map((line) => line.trim().split(/\s+/));
  return rows.find((row) => row[1]?.endsWith(suffix) && row[3] === TCP_LISTEN)?.[9];
}

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // The one that the folder was read with.
  }
}
