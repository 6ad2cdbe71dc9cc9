/**
 * DHCP messages (RFC 2131, section 2; options RFC 2132), the few that a client sends and reads. Pure.
 *
 * | offset | length | meaning |
 * |---|---|---|
 * | 0 | 4 | op (1 request, 2 reply), hardware type (1), hardware address length (6), hops |
 * | 4 | 4 | transaction id |
 * | 10 | 2 | flags; 0x8000 asks for a broadcast reply |
 * | 16 | 4 | "your" address |
 * | 28 | 16 | client hardware address |
 * | 236 | 4 | magic cookie 0x63825363 |
 * | 240 | n | options: code, length, value; 255 ends them |
 */

const COOKIE = 0x63825363;
const OPTIONS_OFFSET = 240;
const FLAG_BROADCAST = 0x8000;

const OPTION = {
  pad: 0,
  mask: 1,
  router: 3,
  nameservers: 6,
  hostname: 12,
  requestedAddress: 50,
  leaseSeconds: 51,
  messageType: 53,
  server: 54,
  parameters: 55,
  end: 255,
} as const;

const MESSAGE_TYPE = { discover: 1, offer: 2, request: 3, ack: 5, nak: 6 } as const;

export interface DhcpQuestion {
  readonly kind: "discover" | "request";
  readonly transactionId: number;
  /** Six bytes. */
  readonly hardwareAddress: Uint8Array;
  readonly hostname: string;
  /** Of a request: what the offer said. */
  readonly offered?: { readonly address: string; readonly server: string };
}

export interface DhcpReply {
  readonly kind: "offer" | "ack" | "nak";
  readonly transactionId: number;
  readonly address: string;
  readonly mask: string;
  readonly gateway: string | undefined;
  readonly nameservers: readonly string[];
  readonly server: string;
  readonly leaseSeconds: number | undefined;
}

export function encodeDhcp(question: DhcpQuestion): Buffer {
  const header = Buffer.alloc(OPTIONS_OFFSET);
  header.set([1, 1, 6, 0], 0);
  header.writeUInt32BE(question.transactionId, 4);
  header.writeUInt16BE(FLAG_BROADCAST, 10);
  header.set(question.hardwareAddress, 28);
  header.writeUInt32BE(COOKIE, 236);
  const options = [OPTION.messageType, 1, MESSAGE_TYPE[question.kind]];
  const name = Buffer.from(question.hostname, "latin1").subarray(0, 63);
  options.push(OPTION.hostname, name.length, ...name);
  if (question.offered) {
    options.push(OPTION.requestedAddress, 4, ...addressBytes(question.offered.address));
    options.push(OPTION.server, 4, ...addressBytes(question.offered.server));
  }
  options.push(OPTION.parameters, 3, OPTION.mask, OPTION.router, OPTION.nameservers, OPTION.end);
  return Buffer.concat([header, Buffer.from(options)]);
}

/** Reads a reply from the network; anything that is not one gives undefined. */
export function decodeDhcp(message: Buffer): DhcpReply | undefined {
  if (message.length < OPTIONS_OFFSET || message[0] !== 2) return undefined;
  if (message.readUInt32BE(236) !== COOKIE) return undefined;
  const options = decodeOptions(message.subarray(OPTIONS_OFFSET));
  const kind = (["offer", "ack", "nak"] as const).find(
    (name) => MESSAGE_TYPE[name] === options.get(OPTION.messageType)?.[0],
  );
  if (!kind) return undefined;
  const addresses = (code: number): string[] => {
    const value = options.get(code) ?? Buffer.alloc(0);
    return Array.from({ length: Math.floor(value.length / 4) }, (_none, index) =>
      value.subarray(index * 4, index * 4 + 4).join("."),
    );
  };
  const lease = options.get(OPTION.leaseSeconds);
  return {
    kind,
    transactionId: message.readUInt32BE(4),
    address: message.subarray(16, 20).join("."),
    mask: addresses(OPTION.mask)[0] ?? "255.255.255.0",
    gateway: addresses(OPTION.router)[0],
    nameservers: addresses(OPTION.nameservers),
    server: addresses(OPTION.server)[0] ?? "0.0.0.0",
    leaseSeconds: lease?.length === 4 ? lease.readUInt32BE(0) : undefined,
  };
}

function decodeOptions(bytes: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at] ?? OPTION.end;
    if (code === OPTION.end) break;
    if (code === OPTION.pad) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    options.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}

function addressBytes(address: string): number[] {
  return address.split(".").map(Number);
}
