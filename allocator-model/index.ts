/** `windlass/allocator`: a model of an allocator whose addresses say who owns the memory. */

export {
  type DecodedAddress,
  decodeAddress,
  encodeAddress,
  translateAddress,
} from "./address.ts";
export {
  type AddressLayout,
  type Area,
  type AreaName,
  layouts,
  type MappedRange,
  type SchemeName,
} from "./address-layout.ts";
export type { ReadTrace, TraceLosses } from "./address-trace.ts";
export { AllocatorError, type AllocatorErrorCode } from "./allocator-error.ts";
export type { BadPointer, BadPointerKind } from "./bad-pointer.ts";
export type { Region } from "./dispatch.ts";
export { type Explanation, explainAddress, explanationText } from "./explanation.ts";
export { Heap, type HeapOptions, type Request } from "./heap.ts";
export type { HeapShare } from "./heap-core.ts";
export { type Inspection, inspectAddress, type PageFacts, type Slot } from "./inspection.ts";
export type { MemoryFigures, RegionFigures } from "./memory-figures.ts";
export { meanWasteBytes, type ObjectRules, objectFootprintBytes } from "./object-footprint.ts";
export { type Replay, type ReplayOptions, type ReplaySample, replay } from "./replay.ts";
export { CALLOC, FREE, MALLOC, REALLOC, type Trace, TraceBuilder } from "./trace.ts";
export { decodeTrace, encodeTrace } from "./trace-file.ts";
export { readTrace } from "./trace-reader.ts";
export type { Workload, WorkloadOptions } from "./workloads/workload.ts";
export { workloads } from "./workloads/workloads.ts";
