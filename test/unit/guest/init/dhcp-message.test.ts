import fc from "fast-check";
import * as assert from "uvu/assert";
import { type DhcpReply, decodeDhcp, encodeDhcp } from "../../../../guest/init/dhcp-message.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("DHCP message");

const MESSAGE_TYPE = { offer: 2, ack: 5, nak: 6 } as const;

const bytesOf = (address: string): number[] => address.split(".").map(Number);

/** A server's message, written by RFC 2131, section 2, and RFC 2132. */
function serverMessage(reply: DhcpReply, padding = 0): Buffer {
  const header = Buffer.alloc(240);
  header.set([2, 1, 6, 0]);
  header.writeUInt32BE(reply.transactionId, 4);
  header.set(bytesOf(reply.address), 16);
  header.writeUInt32BE(0x63825363, 236);
  const lease = Buffer.alloc(4);
  lease.writeUInt32BE(reply.leaseSeconds ?? 0);
  const nameservers = reply.nameservers.flatMap(bytesOf);
  const option = (code: number, value: readonly number[]): number[] => [
    code,
    value.length,
    ...value,
  ];
  const options = [
    ...new Array(padding).fill(0),
    ...option(53, [MESSAGE_TYPE[reply.kind]]),
    ...option(54, bytesOf(reply.server)),
    ...option(1, bytesOf(reply.mask)),
    ...(reply.gateway === undefined ? [] : option(3, bytesOf(reply.gateway))),
    ...(nameservers.length === 0 ? [] : option(6, nameservers)),
    ...(reply.leaseSeconds === undefined ? [] : option(51, [...lease])),
    ...option(15, [...Buffer.from("unknown to us")]),
    255,
  ];
  return Buffer.concat([header, Buffer.from(options), Buffer.alloc(30)]);
}

const address = fc.ipV4();
const reply: fc.Arbitrary<DhcpReply> = fc.record({
  kind: fc.constantFrom("offer", "ack", "nak"),
  transactionId: fc.nat(0xffff_ffff),
  address,
  mask: address,
  gateway: fc.option(address, { nil: undefined }),
  nameservers: fc.array(address, { maxLength: 4 }),
  server: address,
  leaseSeconds: fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
});

test("what a server says is read as it was said", () => {
  fc.assert(
    fc.property(reply, fc.nat(5), (said, padding) => {
      assert.equal(decodeDhcp(serverMessage(said, padding)), { ...said });
    }),
  );
});

test("a question has the fields that a server needs", () => {
  const hardwareAddress = Buffer.from("525712345678", "hex");
  const transactionId = 0xdead_beef;
  const discover = encodeDhcp({
    kind: "discover",
    transactionId,
    hardwareAddress,
    hostname: "web",
  });
  assert.equal([...discover.subarray(0, 4)], [1, 1, 6, 0]);
  assert.is(discover.readUInt32BE(4), transactionId);
  assert.is(discover.readUInt16BE(10), 0x8000);
  assert.equal(discover.subarray(28, 34), hardwareAddress);
  assert.is(discover.readUInt32BE(236), 0x63825363);
  assert.is(discover.subarray(240).toString("hex"), "350101" + "0c03776562" + "3703010306" + "ff");
});

test("a request repeats what was offered", () => {
  const request = encodeDhcp({
    kind: "request",
    transactionId: 1,
    hardwareAddress: Buffer.alloc(6),
    hostname: "x".repeat(100),
    offered: { address: "10.0.2.15", server: "10.0.2.2" },
  });
  const options = request.subarray(240).toString("hex");
  assert.ok(options.startsWith(`3501030c3f${"78".repeat(63)}`));
  assert.ok(options.includes("32040a00020f" + "36040a000202"));
});

test("missing options have sensible defaults", () => {
  const bare = Buffer.concat([
    serverMessage(sample).subarray(0, 240),
    Buffer.from([53, 1, 2, 255]),
  ]);
  assert.equal(decodeDhcp(bare), {
    kind: "offer",
    transactionId: 7,
    address: "10.0.2.15",
    mask: "255.255.255.0",
    gateway: undefined,
    nameservers: [],
    server: "0.0.0.0",
    leaseSeconds: undefined,
  });
});

const sample: DhcpReply = {
  kind: "ack",
  transactionId: 7,
  address: "10.0.2.15",
  mask: "255.255.255.0",
  gateway: "10.0.2.2",
  nameservers: ["10.0.2.3"],
  server: "10.0.2.2",
  leaseSeconds: 86_400,
};

test("anything that is no reply is passed over", () => {
  const question = encodeDhcp({
    kind: "discover",
    transactionId: 1,
    hardwareAddress: Buffer.alloc(6),
    hostname: "",
  });
  const cookie = serverMessage(sample);
  cookie[236] = 0;
  const other = serverMessage(sample);
  other[242] = 8; // DHCPINFORM
  for (const message of [Buffer.alloc(0), Buffer.alloc(239, 2), question, cookie, other]) {
    assert.is(decodeDhcp(message), undefined);
  }
});

test("hostile input is read without an error", () => {
  const whole = serverMessage(sample);
  const tail = fc.uint8Array({ maxLength: 64 });
  fc.assert(
    fc.property(tail, fc.nat(whole.length), (bytes, length) => {
      const hostile = Buffer.concat([whole.subarray(0, 240), Buffer.from([53, 1, 5]), bytes]);
      assert.is(decodeDhcp(hostile)?.transactionId ?? 7, 7);
      decodeDhcp(whole.subarray(0, length));
      decodeDhcp(Buffer.from(bytes));
    }),
    { numRuns: 500 },
  );
});

test.run();
