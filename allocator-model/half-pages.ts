/**
 * Objects of half a page, two a page and without a header (the proposal's third area; network buffers are of that
 * size). Which halves are in use is in a table beside the memory; a free half whose neighbour is in use is
 * in a list that goes through the free halves themselves.
 *
 * A page belongs to the CPU that took it. Who frees a half on another CPU puts it into a sink, as with small
 * objects, and the owner collects, at the latest before it takes another page: so lists and states are
 * changed by one CPU only.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import { type PhysicalMemory, WORD_BYTES } from "./physical-memory.ts";
import { Sinks, type SlotState } from "./sinks.ts";
import type { PageSource } from "./small-objects.ts";

export const HALF_PAGE_BYTES = PAGE_BYTES / 2;
const WORDS_PER_HALF = HALF_PAGE_BYTES / WORD_BYTES;
/** Bits of a page's state: which halves are in use. */
const LOWER = 1;
const UPPER = 2;
const BOTH = LOWER | UPPER;
/** Words of a free half. */
const NEXT = 0;
const PREVIOUS = 1;
const NONE = 0xffff_ffff;
/** Pushes to one sink after which its owner is told to collect: 32 KiB wait there at most. */
const SINK_PUSHES = 16;

/** Physical addresses are numbers of bytes; halves are numbered through memory, two a page. */
export class HalfPages {
  readonly #memory: PhysicalMemory;
  readonly #pages: PageSource;
  readonly #states: Uint8Array;
  /** CPUs. */
  readonly #owners: Uint8Array;
  /** By CPU: the first free half whose neighbour is in use. */
  readonly #heads: Uint32Array;
  readonly #sinks: Sinks;

  constructor(memory: PhysicalMemory, pages: PageSource, cpus: number) {
    this.#memory = memory;
    this.#pages = pages;
    this.#states = memory.bytesTable(memory.pageCount);
    this.#owners = memory.bytesTable(memory.pageCount);
    this.#heads = memory.wordsTable(cpus, NONE);
    this.#sinks = new Sinks(memory, cpus, SINK_PUSHES);
  }

  /** @returns the object's physical address; undefined when there is no page for it */
  allocate(cpu: number): number | undefined {
    if (this.#heads[cpu] === NONE) this.collect(cpu);
    const head = this.#heads[cpu] ?? NONE;
    if (head !== NONE) {
      this.#unlink(cpu, head);
      this.#states[head >>> 1] = BOTH;
      return head * HALF_PAGE_BYTES;
    }
    const page = this.#pages.allocatePage(cpu);
    if (page === undefined) return undefined;
    this.#states[page] = LOWER;
    this.#owners[page] = cpu;
    this.#link(cpu, page * 2 + 1);
    return page * PAGE_BYTES;
  }

  /**
   * Frees an object on any CPU.
   *
   * @returns the CPU that should collect now; undefined when none need
   */
  free(cpu: number, address: number): number | undefined {
    const half = address / HALF_PAGE_BYTES;
    const owner = this.#owners[half >>> 1] ?? 0;
    if (owner === cpu) {
      this.#freeHere(cpu, half);
      return undefined;
    }
    return this.#sinks.push(owner, cpu, address) ? owner : undefined;
  }

  /** Takes back what other CPUs freed of this one's. @returns how many objects */
  collect(cpu: number): number {
    let collected = 0;
    for (const address of this.#sinks.take(cpu)) {
      this.#freeHere(cpu, address / HALF_PAGE_BYTES);
      collected += 1;
    }
    return collected;
  }

  /** The CPU that a page with halves belongs to. */
  ownerOf(page: number): number {
    return this.#owners[page] ?? 0;
  }

  /** Of a half, by its begin. */
  stateOf(address: number): SlotState {
    const half = address / HALF_PAGE_BYTES;
    const page = half >>> 1;
    const isTaken = ((this.#states[page] ?? 0) & (half % 2 === 0 ? LOWER : UPPER)) !== 0;
    if (!isTaken) return "free";
    return this.#sinks.isWaiting(this.ownerOf(page), address) ? "waiting" : "in use";
  }

  /** Free halves of a CPU, the next to be used first. */
  *freeOf(cpu: number): Generator<number> {
    for (let half = this.#heads[cpu] ?? NONE; half !== NONE; half = this.#get(half, NEXT)) {
      yield half * HALF_PAGE_BYTES;
    }
  }

  /** @returns what is wrong with lists and states: a sentence each */
  violations(cpus: number): string[] {
    const found: string[] = [];
    const listed = new Set<number>();
    for (let cpu = 0; cpu < cpus; cpu += 1) {
      let previous = NONE;
      for (const address of this.freeOf(cpu)) {
        const half = address / HALF_PAGE_BYTES;
        const state = this.#states[half >>> 1];
        if (listed.has(half)) {
          found.push(`The list of CPU ${cpu} has half ${half} twice`);
          break;
        }
        listed.add(half);
        if (state !== (half % 2 === 0 ? UPPER : LOWER)) found.push(`Half ${half} is not free`);
        if (this.#owners[half >>> 1] !== cpu) found.push(`Half ${half} is not of CPU ${cpu}`);
        if (this.#get(half, PREVIOUS) !== previous) found.push(`The list is torn at half ${half}`);
        previous = half;
      }
    }
    for (const [page, state] of this.#states.entries()) {
      const free = state === LOWER ? page * 2 + 1 : page * 2;
      if ((state === LOWER || state === UPPER) && !listed.has(free))
        found.push(`Half ${free} is free and in no list`);
    }
    return found;
  }

  #freeHere(cpu: number, half: number): void {
    const page = half >>> 1;
    const state = (this.#states[page] ?? 0) & ~(half % 2 === 0 ? LOWER : UPPER);
    this.#states[page] = state;
    if (state !== 0) {
      this.#link(cpu, half);
      return;
    }
    this.#unlink(cpu, half ^ 1);
    this.#pages.freePage(page, cpu);
  }

  #link(cpu: number, half: number): void {
    const head = this.#heads[cpu] ?? NONE;
    this.#set(half, NEXT, head);
    this.#set(half, PREVIOUS, NONE);
    if (head !== NONE) this.#set(head, PREVIOUS, half);
    this.#heads[cpu] = half;
  }

  #unlink(cpu: number, half: number): void {
    const next = this.#get(half, NEXT);
    const previous = this.#get(half, PREVIOUS);
    if (next !== NONE) this.#set(next, PREVIOUS, previous);
    if (previous === NONE) this.#heads[cpu] = next;
    else this.#set(previous, NEXT, next);
  }

  #get(half: number, field: number): number {
    return this.#memory.words[half * WORDS_PER_HALF + field] ?? NONE;
  }

  #set(half: number, field: number, value: number): void {
    this.#memory.words[half * WORDS_PER_HALF + field] = value;
  }
}
