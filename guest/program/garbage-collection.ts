/**
 * V8's garbage collector in a program that is about to be saved: what it does before, no clone has to do in
 * memory of its own.
 */
import type { PerformanceObserver } from "node:perf_hooks";

const nothing = (): void => undefined;

export class GarbageCollection {
  readonly #setFlags: (flags: string) => void;
  readonly #collectYoung: () => void;
  readonly #observer: PerformanceObserver;

  /** @throws in a Node that does not let us */
  constructor() {
    const { setFlagsFromString } = require("node:v8") as typeof import("node:v8");
    const { runInNewContext } = require("node:vm") as typeof import("node:vm");
    const { PerformanceObserver } = require("node:perf_hooks") as typeof import("node:perf_hooks");
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as (options: { type: "minor" }) => void;
    // V8 uses no code cache of Node's own library that was made under other flags.
    setFlagsFromString("--no-expose-gc");
    this.#setFlags = setFlagsFromString;
    this.#collectYoung = () => collect({ type: "minor" });
    this.#observer = new PerformanceObserver(() => this.resume());
  }

  /** Collects the young generation, as a program does every hundred requests or so. */
  collect(): void {
    this.#collectYoung();
  }

  /**
   * Keeps V8 from tidying up the heap of a program that does nothing (its memory reducer, eight seconds after
   * the start and later): that writes to memory that all clones share. It marks incrementally or not at all.
   * Over as soon as the program has filled its young generation, and so does something.
   */
  rest(): void {
    this.resume();
    this.#setFlags("--no-incremental-marking");
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  /** Ends `rest`. */
  resume(): void {
    this.#observer.disconnect();
    this.#setFlags("--incremental-marking");
  }
}

/** Does nothing in a Node that does not let us. */
export function garbageCollection(): Pick<GarbageCollection, "collect" | "rest" | "resume"> {
  try {
    return new GarbageCollection();
  } catch {
    return { collect: nothing, rest: nothing, resume: nothing };
  }
}
