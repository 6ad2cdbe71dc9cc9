import fc from "fast-check";
import * as assert from "uvu/assert";
import { multipartParts } from "../../../../guest/agent/multipart.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("guest/agent/multipart");

async function parse(chunks: readonly Buffer[], contentType: string, read = true) {
  async function* stream() {
    yield* chunks;
  }
  const parts: { name: string; filename: string | undefined; body: string }[] = [];
  for await (const { name, filename, body } of multipartParts(stream(), contentType)) {
    const pieces: Buffer[] = [];
    if (read) for await (const piece of body) pieces.push(piece);
    parts.push({ name, filename, body: Buffer.concat(pieces).toString("latin1") });
  }
  return parts;
}

const TYPE = "multipart/form-data; boundary=xx";
const part = (name: string, body: string, file = "") =>
  `--xx\r\nContent-Disposition: form-data; name="${name}"${file}\r\nX-Other: 1\r\n\r\n${body}\r\n`;

test("gives back the parts, however the stream is cut", async () => {
  const bodies = fc.array(
    fc.array(fc.constantFrom("a", "\r", "\n", "-", "x", "--xx", "\r\n-"), { maxLength: 12 }),
    { maxLength: 3 },
  );
  await fc.assert(
    fc.asyncProperty(bodies, fc.integer({ min: 1, max: 9 }), async (made, step) => {
      const texts = made.map((one) => one.join("")).filter((one) => !one.includes("\r\n--xx"));
      fc.pre(texts.length > 0);
      const whole = Buffer.from(
        `${texts.map((one, index) => part(`p${index}`, one)).join("")}--xx--\r\n`,
        "latin1",
      );
      const chunks: Buffer[] = [];
      for (let at = 0; at < whole.length; at += step) chunks.push(whole.subarray(at, at + step));
      const expected = texts.map((body, index) => ({
        name: `p${index}`,
        filename: undefined,
        body,
      }));
      assert.equal(await parse(chunks, TYPE), expected);
    }),
  );
});

test("skips parts that are not read, and a preamble", async () => {
  const text = `preamble\r\n${part("a", "1", '; filename="f"')}${part("b", "2")}--xx--`;
  const parts = await parse([Buffer.from(text)], 'multipart/form-data; boundary="xx"', false);
  assert.equal(
    parts.map(({ name, filename }) => [name, filename]),
    [
      ["a", "f"],
      ["b", undefined],
    ],
  );
});

test("refuses what is not multipart", async () => {
  const refused = async (text: string, type: string) => {
    try {
      await parse([Buffer.from(text)], type);
    } catch (error) {
      return (error as { statusCode?: number }).statusCode;
    }
    return undefined;
  };
  assert.is(await refused("", TYPE), 400);
  assert.is(await refused("--xx\r\n", TYPE), 400);
  assert.is(await refused(part("a", "1"), TYPE), 400);
  assert.is(await refused(`--xx\r\nA: ${"b".repeat(20_000)}`, TYPE), 400);
  assert.is(await refused(part("a", "1"), "multipart/form-data"), 400);
});

test.run();
