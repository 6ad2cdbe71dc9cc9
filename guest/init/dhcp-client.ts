/**
 * A DHCP client over node:dgram. An interface without an address can send and receive broadcasts once
 * it is up and has a route: a temporary default route through it does.
 */
import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import type { NetworkInterfaces, Route } from "../syscalls/network-interface.ts";
import { type DhcpQuestion, type DhcpReply, decodeDhcp, encodeDhcp } from "./dhcp-message.ts";

const CLIENT_PORT = 68;
const SERVER_PORT = 67;
/** RFC 2131, section 4.1: the first repeat after about four seconds; a local server answers at once. */
const REPEAT_MS = 1000;

export interface DhcpOptions {
  readonly device: string;
  /** Six bytes. */
  readonly hardwareAddress: Uint8Array;
  readonly hostname: string;
  readonly signal: AbortSignal;
}

/**
 * Asks for a lease; does not apply it.
 *
 * @throws the signal's reason when no server answered in time
 */
export async function requestLease(
  interfaces: NetworkInterfaces,
  { device, hardwareAddress, hostname, signal }: DhcpOptions,
): Promise<DhcpReply> {
  const everywhere: Route = { destination: "0.0.0.0", mask: "0.0.0.0", device };
  interfaces.up(device);
  interfaces.addRoute(everywhere);
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(CLIENT_PORT, resolve);
    });
    socket.setBroadcast(true);
    const transactionId = randomInt(0x1_0000_0000);
    const question = { transactionId, hardwareAddress, hostname };
    for (;;) {
      const offer = await ask(socket, { ...question, kind: "discover" }, ["offer"], signal);
      const offered = { address: offer.address, server: offer.server };
      const request: DhcpQuestion = { ...question, kind: "request", offered };
      const reply = await ask(socket, request, ["ack", "nak"], signal);
      if (reply.kind === "ack") return reply;
    }
  } finally {
    socket.close();
    interfaces.deleteRoute(everywhere);
  }
}

/** Sends a question, again every second, until a fitting reply arrives. */
async function ask(
  socket: Socket,
  question: DhcpQuestion,
  kinds: readonly DhcpReply["kind"][],
  signal: AbortSignal,
): Promise<DhcpReply> {
  const message = encodeDhcp(question);
  const send = (): void => {
    socket.send(message, SERVER_PORT, "255.255.255.255", () => undefined);
  };
  return await new Promise<DhcpReply>((resolve, reject) => {
    const repeat = setInterval(send, REPEAT_MS);
    const settle = (): void => {
      clearInterval(repeat);
      socket.off("message", receive);
      signal.removeEventListener("abort", abort);
    };
    const receive = (bytes: Buffer): void => {
      const reply = decodeDhcp(bytes);
      if (reply?.transactionId !== question.transactionId || !kinds.includes(reply.kind)) return;
      settle();
      resolve(reply);
    };
    const abort = (): void => {
      settle();
      reject(signal.reason);
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    socket.on("message", receive);
    send();
  });
}
