/**
 * What the generators of workloads have in common. A workload is a trace that is made, not recorded: the same
 * options give the same trace, byte for byte.
 */
import { type Trace, TraceBuilder } from "../trace.ts";
import type { Random } from "./random.ts";

export interface WorkloadOptions {
  /** Share of the documented number of objects and operations: more than 0. Default 1. */
  readonly scale?: number | undefined;
  /** Of the random numbers. Default 1. */
  readonly seed?: number | undefined;
}

export interface Workload {
  /** Half a sentence without a full stop. */
  readonly description: string;
  make(options?: WorkloadOptions): Trace;
}

/** Most steps of a thread before another's turn. */
const TURN_STEPS_MAX = 64;

/** A number of objects or rounds, at a scale; at least 1. */
export function scaled(count: number, { scale = 1 }: WorkloadOptions): number {
  return Math.max(1, Math.round(count * scale));
}

/** Writes a trace and gives its objects their ids: that of the object that was freed last first. */
export class TraceScript {
  readonly #builder = new TraceBuilder();
  readonly #freeIds: number[] = [];
  #idCount = 0;

  /** @returns the object's id */
  allocate(size: number, cpu: number): number {
    const id = this.#freeIds.pop() ?? this.#idCount++;
    this.#builder.malloc(id, size, cpu);
    return id;
  }

  free(id: number, cpu: number): void {
    this.#builder.free(id, cpu);
    this.#freeIds.push(id);
  }

  build(name: string): Trace {
    return this.#builder.build(name);
  }
}

/** A simulated thread: may be interrupted at each yield. */
export type Thread = Generator<void, void>;

/** Runs threads to their ends, in turns of random order and length. */
export function interleave(
  random: Random,
  threads: readonly Thread[],
  turnStepsMax = TURN_STEPS_MAX,
): void {
  const running = [...threads];
  while (running.length > 0) {
    const index = random.below(running.length);
    const steps = random.between(1, turnStepsMax);
    for (let step = 0; step < steps; step += 1) {
      if (running[index]?.next().done) {
        running.splice(index, 1);
        break;
      }
    }
  }
}
