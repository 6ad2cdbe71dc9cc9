/** The goals of the proposal, on workloads of a quarter of their size. */
import * as assert from "uvu/assert";
import type { SchemeName } from "../../../../allocator-model/address-layout.ts";
import { replay } from "../../../../allocator-model/replay.ts";
import type { Trace } from "../../../../allocator-model/trace.ts";
import { workloads } from "../../../../allocator-model/workloads/workloads.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("footprint of workloads");

const OPTIONS = { scale: 0.25 };
const FEW_KIB = ["uniform-1-8k", "lifetimes-1-8k"];

function peakBytes(trace: Trace, scheme: SchemeName): number {
  const { failed, peak } = replay(trace, { scheme });
  assert.is(failed, 0);
  return peak.footprintBytes;
}

for (const [name, { make }] of Object.entries(workloads)) {
  test(`${name} takes no more of the proposal than of OSv's scheme`, () => {
    const trace = make(OPTIONS);
    const [osv, proposal] = [peakBytes(trace, "osv"), peakBytes(trace, "proposal")];
    assert.ok(proposal <= osv, `${proposal} and ${osv}`);
    if (!FEW_KIB.includes(name)) return;
    const before = peakBytes(trace, "offset-2013");
    assert.ok(proposal <= 0.75 * before, `${proposal} and ${before}`);
  });
}

test("network buffers take half of what they take of OSv's scheme", () => {
  const trace = workloads["network-buffers"]?.make(OPTIONS) as Trace;
  const { peak } = replay(trace, { scheme: "proposal" });
  assert.ok(peak.footprintBytes < 0.6 * peakBytes(trace, "osv"));
  assert.is(peak.regions["half-page"]?.usableBytes, peak.regions["half-page"]?.requestedBytes);
});

test("headers are known: 40 bytes a page of small objects, a page of each large one before areas", () => {
  const trace = workloads["page-cache"]?.make({ scale: 0.05 }) as Trace;
  const osv = replay(trace, { scheme: "osv" }).peak;
  const before = replay(trace, { scheme: "offset-2013" }).peak;
  assert.is(osv.headerBytes % 40, 0);
  assert.ok(osv.headerBytes > 0 && osv.headerBytes < osv.footprintBytes / 100);
  const large = before.regions.large?.objects ?? 0;
  assert.ok(large > 100);
  assert.is(before.headerBytes, large * 4096 + osv.headerBytes);
});

test.run();
