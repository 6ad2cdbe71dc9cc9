/** The server that the case tls.client talks to: says one line to whoever completes the handshake. */
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:tls";
import type { Certificates } from "./certificates.ts";

export interface TlsServer extends AsyncDisposable {
  readonly port: number;
}

/** Listens on this host's loopback. */
export async function openTlsServer(certificates: Certificates): Promise<TlsServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ cert: certificates.serverPem, key: certificates.serverKeyPem });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    socket.end("hello over TLS\n");
  });
  // Clients that do not trust it break off: they are to.
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
