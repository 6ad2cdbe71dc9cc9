/** Traces that a program can have made, for properties. */
import fc from "fast-check";
import { type Trace, TraceBuilder } from "../../../allocator-model/trace.ts";

const step = fc.record({
  kind: fc.constantFrom("malloc", "aligned", "calloc", "realloc", "free", "free"),
  pick: fc.nat(),
  size: fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 20_000 })),
  cpu: fc.nat({ max: 3 }),
  alignmentLog2: fc.nat({ max: 12 }),
});

export const anyTrace: fc.Arbitrary<Trace> = fc
  .array(step, { maxLength: 120 })
  .map((steps) => traceOf(steps));

function traceOf(steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]) {
  const builder = new TraceBuilder();
  const alive: number[] = [];
  const free: number[] = [];
  let count = 0;
  for (const { kind, pick, size, cpu, alignmentLog2 } of steps) {
    const at = alive.length === 0 ? -1 : pick % alive.length;
    const id = alive[at];
    if ((kind === "free" || kind === "realloc") && id !== undefined) {
      if (kind === "realloc") builder.realloc(id, size + 1, cpu);
      else {
        builder.free(id, cpu);
        free.push(...alive.splice(at, 1));
      }
      continue;
    }
    const fresh = free.pop() ?? count++;
    if (kind === "calloc") builder.calloc(fresh, size, cpu);
    else builder.malloc(fresh, size, cpu, kind === "aligned" ? alignmentLog2 : 0);
    alive.push(fresh);
  }
  return builder.build("any");
}
