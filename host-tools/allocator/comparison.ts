/** One trace, several allocators: the model's schemes, and real ones of this host. */
import { layouts, type SchemeName } from "../../allocator-model/address-layout.ts";
import { replay } from "../../allocator-model/replay.ts";
import type { Trace } from "../../allocator-model/trace.ts";
import { traceFacts } from "../../allocator-model/trace-facts.ts";
import { buildNativeReplayer, type NativeReplayer } from "./native-replayer.ts";
import {
  type FoundAllocator,
  findAllocator,
  type RealAllocatorName,
  realAllocatorNames,
} from "./real-allocators.ts";

export type AllocatorName = SchemeName | RealAllocatorName;

const schemeNames = Object.keys(layouts) as readonly SchemeName[];

/** The order of rows. */
export const allocatorNames: readonly AllocatorName[] = [...schemeNames, ...realAllocatorNames];

/** All but the time as it was when the footprint was largest. */
export interface AllocatorFigures {
  readonly allocator: AllocatorName;
  /** A scheme of the model, or an allocator of this host. Their times cannot be compared. */
  readonly kind: "model" | "native";
  readonly footprintBytes: number;
  /** In objects, behind what was asked for. */
  readonly internalWasteBytes: number;
  /** Outside of objects: headers, tails, what is free but not given back. */
  readonly otherWasteBytes: number;
  /** Part of them; only the model knows. */
  readonly headerBytes?: number;
  /** Part of the free pages that are not in the largest range; only the model knows. */
  readonly externalFragmentation?: number;
  readonly elapsedMs: number;
}

/** An allocator that this host has not. */
export interface MissingAllocator {
  readonly allocator: RealAllocatorName;
  readonly missingPackage: string;
}

export interface Comparison {
  readonly trace: string;
  readonly operations: number;
  readonly cpus: number;
  /** Most bytes that were asked for at a time. */
  readonly requestedBytes: number;
  readonly rows: readonly (AllocatorFigures | MissingAllocator)[];
}

/** Disposing of it removes what was compiled for it. */
export interface Comparer extends AsyncDisposable {
  /** @throws {HostError} WL_REPLAY_FAILED; or the signal's reason */
  compare(trace: Trace): Promise<Comparison>;
}

export interface CompareOptions {
  /** Default: all. */
  readonly allocators?: readonly AllocatorName[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the allocators, and compiles what is needed for real ones.
 *
 * @throws {HostError} WL_COMPILER_UNAVAILABLE; or the signal's reason
 */
export async function openComparer({
  allocators = allocatorNames,
  signal,
}: CompareOptions = {}): Promise<Comparer> {
  const schemes = schemeNames.filter((name) => allocators.includes(name));
  const wanted = realAllocatorNames.filter((name) => allocators.includes(name));
  const found = await Promise.all(
    wanted.map(async (name) => [name, await findAllocator(name, { signal })] as const),
  );
  const needsReplayer = found.some(([, { isThere }]) => isThere);
  const replayer = needsReplayer ? await buildNativeReplayer({ signal }) : undefined;
  return {
    async compare(trace) {
      const rows: (AllocatorFigures | MissingAllocator)[] = modelFigures(trace, schemes);
      for (const [name, place] of found) {
        rows.push(await nativeFigures(trace, { name, place, replayer, signal }));
      }
      const { name, length: operations, cpus } = trace;
      return {
        trace: name,
        operations,
        cpus,
        requestedBytes: traceFacts(trace).requestedBytes,
        rows,
      };
    },
    async [Symbol.asyncDispose]() {
      await replayer?.[Symbol.asyncDispose]();
    },
  };
}

/** All schemes get as much memory as the first one needs. */
function modelFigures(trace: Trace, schemes: readonly SchemeName[]): AllocatorFigures[] {
  let pageCount: number | undefined;
  return schemes.map((scheme) => {
    let result = replay(trace, { scheme, pageCount });
    if (result.failed > 0) result = replay(trace, { scheme });
    pageCount ??= result.pageCount;
    const { peak, seconds } = result;
    return {
      allocator: scheme,
      kind: "model",
      footprintBytes: peak.footprintBytes,
      internalWasteBytes: peak.internalWasteBytes,
      otherWasteBytes: peak.otherWasteBytes,
      headerBytes: peak.headerBytes,
      externalFragmentation: peak.externalFragmentation,
      elapsedMs: seconds * 1000,
    };
  });
}

interface NativeRun {
  readonly name: RealAllocatorName;
  readonly place: FoundAllocator;
  readonly replayer: NativeReplayer | undefined;
  readonly signal: AbortSignal | undefined;
}

async function nativeFigures(
  trace: Trace,
  { name, place, replayer, signal }: NativeRun,
): Promise<AllocatorFigures | MissingAllocator> {
  if (!place.isThere) return { allocator: name, missingPackage: place.package };
  if (!replayer) throw new Error("unreachable: a replayer is built when an allocator is there");
  const figures = await replayer.replay(trace, { library: place.library, signal });
  const { peakBytes, requestedAtPeakBytes, usableAtPeakBytes, elapsedMs } = figures;
  return {
    allocator: name,
    kind: "native",
    footprintBytes: peakBytes,
    internalWasteBytes: usableAtPeakBytes - requestedAtPeakBytes,
    otherWasteBytes: peakBytes - usableAtPeakBytes,
    elapsedMs,
  };
}
