/**
 * A bounded queue between a producer that cannot wait and one consumer that can: what QMP events pass
 * through when they are read with `for await`. Nothing is dropped in silence: a consumer that falls
 * behind by more than the capacity gets what is queued and then an error.
 */
export class EventQueue<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #capacity: number;
  readonly #overflow: () => Error;
  readonly #release: () => void;
  readonly #items: Item[] = [];
  #waiting: { resolve(result: IteratorResult<Item, undefined>): void; reject(e: unknown): void }[] =
    [];
  #end: { readonly failure?: unknown } | undefined;

  /**
   * @param options.capacity how many items may wait, at least 1
   * @param options.overflow makes the error for a consumer that fell behind
   * @param options.release called once, when the queue takes no more items
   */
  constructor(options: { capacity: number; overflow: () => Error; release: () => void }) {
    this.#capacity = options.capacity;
    this.#overflow = options.overflow;
    this.#release = options.release;
  }

  push(item: Item): void {
    if (this.#end) return;
    const consumer = this.#waiting.shift();
    if (consumer) consumer.resolve({ done: false, value: item });
    else if (this.#items.length < this.#capacity) this.#items.push(item);
    else this.#close({ failure: this.#overflow() });
  }

  /** Ends the queue with an error, after the items that wait. */
  fail(failure: unknown): void {
    this.#close({ failure });
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#items.length > 0) {
      return Promise.resolve({ done: false, value: this.#items.shift() as Item });
    }
    if (!this.#end) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    const { failure } = this.#end;
    this.#end = {};
    return failure === undefined
      ? Promise.resolve({ done: true, value: undefined })
      : Promise.reject(failure);
  }

  /** The consumer leaves: what waits is forgotten. */
  return(): Promise<IteratorResult<Item, undefined>> {
    this.#items.length = 0;
    this.#close({});
    this.#end = {};
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #close(end: { readonly failure?: unknown }): void {
    if (this.#end) return;
    this.#end = end;
    this.#release();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const consumer of waiting) {
      if (end.failure === undefined) consumer.resolve({ done: true, value: undefined });
      else consumer.reject(end.failure);
    }
  }
}
