/** A name server that knows one name, for the cases dns.a and dns.nx. RFC 1035, section 4. */
import { createSocket } from "node:dgram";
import { once } from "node:events";

export const PRESENT_NAME = "present.conformance.test";
export const PRESENT_ADDRESS = "192.0.2.33";

const HEADER_BYTES = 12;
const TYPE_A = 1;
const CLASS_IN = 1;
const NAME_ERROR = 3;

export interface NameServer extends AsyncDisposable {
  readonly port: number;
}

/** Listens on this host's loopback. */
export async function openNameServer(): Promise<NameServer> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const reply = answerTo(query);
    if (reply) socket.send(reply, from.port, from.address, () => {});
  });
  // A guest that has gone makes no difference.
  socket.on("error", () => {});
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** @returns undefined for what is no question */
export function answerTo(query: Buffer): Buffer | undefined {
  const end = questionEnd(query);
  if (end === undefined || query.readUInt16BE(4) !== 1 || (query[2] ?? 0) & 0x80) return undefined;
  const isPresent = nameIn(query).toLowerCase() === PRESENT_NAME;
  const isAddress = query.readUInt16BE(end - 4) === TYPE_A;
  const header = Buffer.from(query.subarray(0, HEADER_BYTES));
  // A reply, authoritative; "recursion desired" is given back.
  header[2] = 0x84 | ((query[2] ?? 0) & 0x01);
  header[3] = 0x80 | (isPresent ? 0 : NAME_ERROR);
  header.writeUInt16BE(isPresent && isAddress ? 1 : 0, 6);
  header.fill(0, 8, HEADER_BYTES);
  const question = query.subarray(HEADER_BYTES, end);
  return Buffer.concat([header, question, isPresent && isAddress ? addressRecord() : Buffer.of()]);
}

function addressRecord(): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc000 | HEADER_BYTES, 0); // The name: that of the question.
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt32BE(60, 6);
  record.writeUInt16BE(4, 10);
  record.set(PRESENT_ADDRESS.split(".").map(Number), 12);
  return record;
}

/** Behind the first question; undefined when it is not whole. */
function questionEnd(query: Buffer): number | undefined {
  let at = HEADER_BYTES;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63) return undefined;
    at += 1 + length;
    if (length === 0) break;
  }
  return at + 4 <= query.length ? at + 4 : undefined;
}

function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = HEADER_BYTES; (query[at] ?? 0) > 0; at += 1 + (query[at] ?? 0)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + (query[at] ?? 0)));
  }
  return labels.join(".");
}
