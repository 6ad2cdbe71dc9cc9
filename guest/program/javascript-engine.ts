/**
 * V8 in a program that is about to be saved: what it does before, and what it leaves out, no clone has to do in
 * memory and machine code of its own.
 */
import type { PerformanceObserver } from "node:perf_hooks";

const nothing = (): void => undefined;

/** Who says so to Node means it; and there is no baseline code without compiled code. */
const BASELINE_FLAGS = /sparkplug|jitless/;

/** What a program that does nothing has made since a collection is not worth another one. */
const TIDY_MS = 3_000;

/** Collections after which a program that was warmed up but never saved is given up on: some thousand requests. */
const PATIENCE = 10;

export class JavascriptEngine {
  readonly #setFlags: (flags: string) => void;
  /** All garbage, or only the young generation's. */
  readonly #collect: (options?: { type: "minor" }) => void;
  readonly #observer: PerformanceObserver;
  readonly #isBaselineOurs: boolean;
  #collectionsLeft = 0;
  /** performance.now() */
  #sinceMs = 0;
  /** Of the last collection of the young generation here; performance.now(). */
  #tidiedMs = Number.NEGATIVE_INFINITY;

  /** @throws in a Node that does not let us */
  constructor() {
    const { setFlagsFromString } = require("node:v8") as typeof import("node:v8");
    const { runInNewContext } = require("node:vm") as typeof import("node:vm");
    const { PerformanceObserver } = require("node:perf_hooks") as typeof import("node:perf_hooks");
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc");
    // V8 uses no code cache of Node's own library that was made under other flags.
    setFlagsFromString("--no-expose-gc");
    this.#setFlags = setFlagsFromString;
    const flags = [...process.execArgv, process.env["NODE_OPTIONS"]].join(" ");
    this.#isBaselineOurs = !BASELINE_FLAGS.test(flags);
    this.#observer = new PerformanceObserver((list) => {
      // It also hears of those before it was asked to listen.
      const heard = list.getEntries().filter(({ startTime }) => startTime >= this.#sinceMs);
      this.#collectionsLeft -= heard.length;
      if (this.#collectionsLeft <= 0) this.resume();
    });
  }

  /** Collects all garbage and gives the memory of it back. */
  compact(): void {
    this.#collect(); // Node 20 takes every type for "minor".
  }

  /**
   * Keeps V8 from making baseline code (Sparkplug) while the program is warmed up. Every function has its own, which
   * every clone's emulated CPU would translate; the interpreter, which it needs anyway, is one for all functions.
   * Over when the program is awake and does something, or is not saved for long.
   */
  warmUp(): void {
    if (this.#isBaselineOurs) this.#setFlags("--no-sparkplug");
    this.#resumeAfter(PATIENCE);
  }

  /** Collects the young generation, as a program does every hundred requests or so. */
  tidy(): void {
    this.#collect({ type: "minor" });
    this.#tidiedMs = performance.now();
  }

  /**
   * Tidies up, unless it just has. Then keeps V8 from tidying up the heap of a program that does nothing (its memory
   * reducer, eight seconds after the start and later): that writes to memory that all clones share. It marks
   * incrementally or not at all.
   * Over as soon as the program has filled its young generation, and so does something.
   */
  rest(): void {
    this.#observer.disconnect();
    if (performance.now() - this.#tidiedMs > TIDY_MS) this.tidy();
    this.#setFlags("--no-incremental-marking");
    this.#resumeAfter(1);
  }

  /** Ends `warmUp` and `rest`. */
  resume(): void {
    this.#observer.disconnect();
    this.#setFlags("--incremental-marking");
    if (this.#isBaselineOurs) this.#setFlags("--sparkplug");
  }

  #resumeAfter(collections: number): void {
    this.#collectionsLeft = collections;
    this.#sinceMs = performance.now();
    this.#observer.observe({ entryTypes: ["gc"] });
  }
}

/** Does nothing in a Node that does not let us. */
export function javascriptEngine(): Pick<
  JavascriptEngine,
  "compact" | "warmUp" | "tidy" | "rest" | "resume"
> {
  try {
    return new JavascriptEngine();
  } catch {
    return { compact: nothing, warmUp: nothing, tidy: nothing, rest: nothing, resume: nothing };
  }
}
