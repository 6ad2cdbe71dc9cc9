import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  EXEC_FRAME,
  EXEC_FRAME_MAX_BYTES,
  ExecFrameDecoder,
  type ExecFrameType,
  encodeExecFrame,
} from "../../../../guest/api/exec-frame.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("guest/api/exec-frame");
const types = Object.keys(EXEC_FRAME) as ExecFrameType[];

test("gives back the frames that were sent, however the stream is cut", () => {
  const frame = fc.record({
    type: fc.constantFrom(...types),
    payload: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(
      fc.array(frame),
      fc.infiniteStream(fc.integer({ min: 1, max: 12 })),
      (sent, cuts) => {
        const stream = Buffer.concat(
          sent.map(({ type, payload }) => encodeExecFrame(type, payload)),
        );
        const decoder = new ExecFrameDecoder();
        const received: { type: ExecFrameType; payload: number[] }[] = [];
        let at = 0;
        while (at < stream.length) {
          const end = at + (cuts.next().value ?? 1);
          for (const { type, payload } of decoder.push(stream.subarray(at, end))) {
            received.push({ type, payload: [...payload] });
          }
          at = end;
        }
        assert.equal(
          received,
          sent.map(({ type, payload }) => ({ type, payload: [...payload] })),
        );
      },
    ),
  );
});

test("lays a frame out as documented", () => {
  assert.equal([...encodeExecFrame("stdout", "ab")], [2, 0, 0, 0, 2, 97, 98]);
});

test("refuses frames that are too long or of no known type", () => {
  assert.throws(() => encodeExecFrame("stdin", Buffer.alloc(EXEC_FRAME_MAX_BYTES + 1)), /too long/);
  const decode = (bytes: number[]) => [...new ExecFrameDecoder().push(Buffer.from(bytes))];
  assert.throws(() => decode([1, 0xff, 0, 0, 0]), /too long/);
  assert.throws(() => decode([99, 0, 0, 0, 0]), /unknown/);
});

test.run();
