import fc from "fast-check";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { parsePublish } from "../../../../host-tools/network/publish.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("publish");

const request = (
  hostAddress: string,
  hostPort: number | undefined,
  guestPort: number,
  protocol: "tcp" | "udp" = "tcp",
): object => ({ protocol, hostAddress, hostPort, guestPort });

const accepted: readonly (readonly [string, object])[] = [
  ["8080:80", request("127.0.0.1", 8080, 80)],
  ["0.0.0.0:8080:80", request("0.0.0.0", 8080, 80)],
  ["192.0.2.1:8080:80/tcp", request("192.0.2.1", 8080, 80)],
  ["5353:53/udp", request("127.0.0.1", 5353, 53, "udp")],
  ["8080", request("127.0.0.1", undefined, 8080)],
  ["53/udp", request("127.0.0.1", undefined, 53, "udp")],
  ["0:80", request("127.0.0.1", undefined, 80)],
  [":80", request("127.0.0.1", undefined, 80)],
  ["192.0.2.1::80", request("192.0.2.1", undefined, 80)],
];

for (const [text, expected] of accepted) {
  test(`reads ${text}`, () => {
    assert.equal(parsePublish(text), expected);
  });
}

const refusals: readonly (readonly [string, RegExp])[] = [
  ["", /no guest port/],
  ["80:0", /no guest port/],
  ["80:65536", /no guest port/],
  ["65536:80", /no host port/],
  ["http:80", /no host port/],
  ["80:http", /no guest port/],
  ["-1:80", /no host port/],
  ["0x50:80", /no host port/],
  ["1e3:80", /no host port/],
  [" 80:80", /no host port/],
  ["80-90:80-90", /ranges/],
  ["8000-9000", /ranges/],
  ["80:80/sctp", /tcp or udp/],
  ["80:80/tcp/udp", /tcp or udp/],
  ["80:80/", /tcp or udp/],
  ["[::1]:80:80", /IPv4/],
  ["::1:80:80", /IPv4/],
  ["localhost:80:80", /no IPv4 address/],
  ["300.0.0.1:80:80", /no IPv4 address/],
];

for (const [text, why] of refusals) {
  test(`refuses "${text}"`, () => {
    assert.throws(
      () => parsePublish(text),
      (error: unknown) =>
        error instanceof HostError &&
        error.code === "WL_USAGE" &&
        why.test(error.message) &&
        error.facts.next !== undefined,
    );
  });
}

test("reads back whatever is written in full", () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(
    fc.property(
      fc.ipV4(),
      port,
      port,
      fc.constantFrom("tcp", "udp"),
      (address, from, to, protocol) => {
        const parsed = parsePublish(`${address}:${from}:${to}/${protocol}`);
        assert.equal(parsed, request(address, from, to, protocol as "tcp" | "udp"));
      },
    ),
  );
});

test("any other text is a usage error and nothing else", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."0159:./-[]udptc ".split("")) }), (text) => {
      try {
        parsePublish(text);
      } catch (error) {
        assert.ok(error instanceof HostError && error.code === "WL_USAGE", String(error));
      }
    }),
  );
});

test.run();
