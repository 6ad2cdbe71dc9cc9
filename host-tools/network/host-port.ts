/**
 * Host ports: whether they are free, and which to take. QEMU binds the port itself, so a port can only
 * be tried or held until just before; QEMU's own refusal (WL_PORT_UNAVAILABLE, from startQemu) covers
 * the moment between.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { HostError } from "../errors.ts";
import type { PortForward } from "../qemu/machine.ts";
import type { PublishRequest } from "./publish.ts";

export interface HostPort {
  readonly protocol: PortForward["protocol"];
  /** IPv4 address. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface HostPortReservation extends AsyncDisposable {
  readonly forwards: readonly PortForward[];
  /** Lets the ports go; call it right before QEMU starts. Idempotent. */
  close(): Promise<void>;
}

/**
 * Binds every requested port, choosing those left open, and holds all of them: no two requests get the
 * same port, and either all are free or nothing is taken.
 *
 * @throws {HostError} WL_PORT_UNAVAILABLE
 */
export async function reserveHostPorts(
  requests: readonly PublishRequest[],
): Promise<HostPortReservation> {
  const holders = new Map<PublishRequest, BoundPort>();
  const close = async (): Promise<void> => {
    const held = [...holders.values()];
    holders.clear();
    await Promise.all(held.map((bound) => bound.close()));
  };
  // Fixed ports first: a chosen one must not take a port that a later request names.
  const fixed = requests.filter(({ hostPort }) => hostPort !== undefined);
  const open = requests.filter(({ hostPort }) => hostPort === undefined);
  try {
    for (const request of [...fixed, ...open]) {
      const { protocol, hostAddress: address, hostPort: port = 0 } = request;
      holders.set(request, await bindPort({ protocol, address, port }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const forwards = requests.map((request) => {
    return { ...request, hostPort: holders.get(request)?.port ?? 0 };
  });
  return { forwards, close, [Symbol.asyncDispose]: close };
}

/**
 * Binds the port and lets it go.
 *
 * @throws {HostError} WL_PORT_UNAVAILABLE
 */
export async function checkHostPortFree(port: HostPort): Promise<void> {
  await (await bindPort(port)).close();
}

/** A port that is free now; `reserveHostPorts` is the way to several at once. */
export async function pickFreePort(
  address: string,
  protocol: PortForward["protocol"] = "tcp",
): Promise<number> {
  const bound = await bindPort({ protocol, address, port: 0 });
  await bound.close();
  return bound.port;
}

interface BoundPort {
  readonly port: number;
  close(): Promise<void>;
}

async function bindPort(wanted: HostPort): Promise<BoundPort> {
  try {
    return await (wanted.protocol === "tcp" ? bindTcp(wanted) : bindUdp(wanted));
  } catch (cause) {
    throw unavailable(wanted, cause as NodeJS.ErrnoException);
  }
}

function bindTcp({ address, port }: HostPort): Promise<BoundPort> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen({ host: address, port, exclusive: true }, () => {
      const bound = server.address();
      if (bound === null || typeof bound === "string") throw new TypeError("no TCP address");
      const close = (): Promise<void> => new Promise((done) => server.close(() => done()));
      resolve({ port: bound.port, close });
    });
  });
}

function bindUdp({ address, port }: HostPort): Promise<BoundPort> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      const close = (): Promise<void> => new Promise((done) => socket.close(() => done()));
      resolve({ port: socket.address().port, close });
    });
  });
}

/** Why bind(2) refused, in words. */
const refusals: Readonly<Record<string, { readonly why: string; readonly next: string }>> = {
  EADDRINUSE: {
    why: "it is in use",
    next: "Choose another host port, or stop what uses this one (ss -tulpn shows it)",
  },
  EACCES: {
    why: "ports below net.ipv4.ip_unprivileged_port_start are for root",
    next: "Choose a host port from 1024 up",
  },
  EADDRNOTAVAIL: {
    why: "this host has no such address",
    next: "Use 127.0.0.1, 0.0.0.0 or an address that `ip address` shows",
  },
};

function unavailable(
  { address, port, protocol }: HostPort,
  cause: NodeJS.ErrnoException,
): HostError {
  const errno = cause.code ?? "";
  const { why, next } = refusals[errno] ?? {
    why: cause.message,
    next: "Choose another host address or port",
  };
  const what =
    port === 0 ? `a free ${protocol} port on ${address}` : `${address}:${port}/${protocol}`;
  const detail = { address, port, protocol, errno };
  return new HostError(
    "WL_PORT_UNAVAILABLE",
    `Cannot publish on ${what}: ${why}`,
    { next, detail },
    cause,
  );
}
