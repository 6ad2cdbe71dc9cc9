/** A registry that lies: an HTTP server on loopback whose replies a test writes. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HostileRegistry extends AsyncDisposable {
  readonly host: string;
  /** "GET /v2/a/manifests/1", in the order they came. */
  readonly requests: readonly string[];
  /** Headers of the last request. */
  headers(): IncomingMessage["headers"];
}

export type Reply = (request: IncomingMessage, response: ServerResponse) => void;

export async function hostileRegistry(reply: Reply): Promise<HostileRegistry> {
  const requests: string[] = [];
  let headers: IncomingMessage["headers"] = {};
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    headers = request.headers;
    reply(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests,
    headers: () => headers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
