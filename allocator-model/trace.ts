/**
 * What a program asked of its allocator, in order. Objects have ids instead of addresses, so that any allocator
 * can be asked the same again.
 */

/** Operations of a trace, by their number in its file. */
export const MALLOC = 1;
export const FREE = 2;
/** The id stays, the size is the new one: at least 1, since allocators differ about 0. */
export const REALLOC = 3;
export const CALLOC = 4;

/** Columns of `length` entries each. */
export interface Trace {
  readonly name: string;
  /** CPUs, or threads: those in `cpuOf` are below it. */
  readonly cpus: number;
  readonly length: number;
  readonly operations: Uint8Array;
  readonly cpuOf: Uint8Array;
  /** Of MALLOC: 0 for malloc's own alignment. */
  readonly alignmentLog2: Uint8Array;
  /** Below `length`. Used for another object only after the first is freed. */
  readonly ids: Uint32Array;
  /** Bytes; 0 with FREE. */
  readonly sizes: Uint32Array;
}

const FIRST_CAPACITY = 1024;

/** Takes operations one by one. */
export class TraceBuilder {
  #length = 0;
  #operations = new Uint8Array(FIRST_CAPACITY);
  #cpuOf = new Uint8Array(FIRST_CAPACITY);
  #alignmentLog2 = new Uint8Array(FIRST_CAPACITY);
  #ids = new Uint32Array(FIRST_CAPACITY);
  #sizes = new Uint32Array(FIRST_CAPACITY);
  #cpus = 1;

  get length(): number {
    return this.#length;
  }

  malloc(id: number, size: number, cpu = 0, alignmentLog2 = 0): void {
    this.#add(MALLOC, id, size, cpu);
    this.#alignmentLog2[this.#length - 1] = alignmentLog2;
  }

  calloc(id: number, size: number, cpu = 0): void {
    this.#add(CALLOC, id, size, cpu);
  }

  realloc(id: number, size: number, cpu = 0): void {
    this.#add(REALLOC, id, size, cpu);
  }

  free(id: number, cpu = 0): void {
    this.#add(FREE, id, 0, cpu);
  }

  build(name: string): Trace {
    const length = this.#length;
    return {
      name,
      cpus: this.#cpus,
      length,
      operations: this.#operations.slice(0, length),
      cpuOf: this.#cpuOf.slice(0, length),
      alignmentLog2: this.#alignmentLog2.slice(0, length),
      ids: this.#ids.slice(0, length),
      sizes: this.#sizes.slice(0, length),
    };
  }

  #add(operation: number, id: number, size: number, cpu: number): void {
    if (this.#length === this.#operations.length) this.#grow();
    const at = this.#length;
    this.#operations[at] = operation;
    this.#ids[at] = id;
    this.#sizes[at] = size;
    this.#cpuOf[at] = cpu;
    this.#cpus = Math.max(this.#cpus, cpu + 1);
    this.#length += 1;
  }

  #grow(): void {
    const capacity = this.#length * 2;
    const bytes = (from: Uint8Array): Uint8Array<ArrayBuffer> => {
      const to = new Uint8Array(capacity);
      to.set(from);
      return to;
    };
    const words = (from: Uint32Array): Uint32Array<ArrayBuffer> => {
      const to = new Uint32Array(capacity);
      to.set(from);
      return to;
    };
    this.#operations = bytes(this.#operations);
    this.#cpuOf = bytes(this.#cpuOf);
    this.#alignmentLog2 = bytes(this.#alignmentLog2);
    this.#ids = words(this.#ids);
    this.#sizes = words(this.#sizes);
  }
}
