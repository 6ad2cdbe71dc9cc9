import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import {
  checkHostPortFree,
  pickFreePort,
  reserveHostPorts,
} from "../../../../host-tools/network/host-port.ts";
import { parsePublish } from "../../../../host-tools/network/publish.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("host port");

const address = "127.0.0.1";

async function unavailable(work: Promise<unknown>): Promise<HostError> {
  const error = await work.then(
    () => assert.unreachable("the port was free"),
    (caught) => caught,
  );
  assert.ok(error instanceof HostError && error.code === "WL_PORT_UNAVAILABLE", String(error));
  assert.ok(error.facts.next);
  return error;
}

test("names a TCP port that is taken", async () => {
  const server = createServer().listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const error = await unavailable(checkHostPortFree({ protocol: "tcp", address, port }));
  assert.match(error.message, `${address}:${port}/tcp: it is in use`);
  assert.is(error.facts.detail?.["errno"], "EADDRINUSE");
  server.close();
  await once(server, "close");
  await checkHostPortFree({ protocol: "tcp", address, port });
});

test("names a UDP port that is taken, and knows it from the TCP one", async () => {
  const socket = createSocket("udp4").bind(0, address);
  await once(socket, "listening");
  const { port } = socket.address();
  const error = await unavailable(checkHostPortFree({ protocol: "udp", address, port }));
  assert.match(error.message, `${port}/udp`);
  await checkHostPortFree({ protocol: "tcp", address, port });
  socket.close();
});

test("tells an address that this host has not", async () => {
  const error = await unavailable(
    checkHostPortFree({ protocol: "tcp", address: "192.0.2.1", port: 0 }),
  );
  assert.is(error.facts.detail?.["errno"], "EADDRNOTAVAIL");
  assert.match(error.message, "no such address");
});

test("picks ports that can be bound", async () => {
  for (const protocol of ["tcp", "udp"] as const) {
    const port = await pickFreePort(address, protocol);
    assert.ok(port > 0 && port < 65_536);
    await checkHostPortFree({ protocol, address, port });
  }
});

test("reserves all ports at once, in the order asked, and no port twice", async () => {
  const fixed = await pickFreePort(address);
  await using reservation = await reserveHostPorts([
    parsePublish("80"),
    parsePublish(`${fixed}:81`),
    parsePublish("82/udp"),
    parsePublish("83"),
  ]);
  const { forwards } = reservation;
  assert.equal(
    forwards.map(({ guestPort }) => guestPort),
    [80, 81, 82, 83],
  );
  assert.is(forwards[1]?.hostPort, fixed);
  const taken = forwards.map(({ protocol, hostPort }) => `${protocol} ${hostPort}`);
  assert.is(new Set(taken).size, 4);
  for (const { protocol, hostPort: port } of forwards) {
    await unavailable(checkHostPortFree({ protocol, address, port }));
  }
  await reservation.close();
  await reservation.close();
  for (const { protocol, hostPort: port } of forwards) {
    await checkHostPortFree({ protocol, address, port });
  }
});

test("reserves nothing when one port is taken", async () => {
  const server = createServer().listen(0, address);
  await once(server, "listening");
  const { port: taken } = server.address() as AddressInfo;
  const free = await pickFreePort(address);
  await unavailable(reserveHostPorts([parsePublish(`${free}:80`), parsePublish(`${taken}:81`)]));
  await checkHostPortFree({ protocol: "tcp", address, port: free });
  server.close();
});

test("refuses one port for two requests", async () => {
  const port = await pickFreePort(address);
  await unavailable(reserveHostPorts([parsePublish(`${port}:80`), parsePublish(`${port}:81`)]));
});

test.run();
