import * as assert from "uvu/assert";
import { TraceBuilder } from "../../../allocator-model/trace.ts";
import { traceFacts } from "../../../allocator-model/trace-facts.ts";
import { suite } from "../../support/suite.ts";

const test = suite("trace facts");

test("knows the moment when most bytes were alive, whichever operations led there", () => {
  const builder = new TraceBuilder();
  builder.malloc(0, 100);
  builder.calloc(7, 50);
  builder.realloc(0, 200);
  builder.free(7);
  builder.malloc(7, 50);
  builder.realloc(0, 10);
  assert.equal(traceFacts(builder.build("t")), { ids: 8, requestedBytes: 250, peakOperation: 3 });
});

test("an empty trace asks for nothing", () => {
  const facts = traceFacts(new TraceBuilder().build("t"));
  assert.equal(facts, { ids: 0, requestedBytes: 0, peakOperation: 0 });
});

test.run();
