/**
 * A page table as the CPU reads it: four levels of 512 entries of 8 bytes, in pages of physical memory (Intel SDM
 * volume 3, 5.5). It maps pages of one area, whose places have 44 bits: 12 are the byte in the page, three times
 * nine are the index in a node, and 5 are left for the root. The area's other 4 bits would be there too: an
 * area is 32 of the 512 entries of the root.
 *
 * A node whose last entry goes is given back, up to the root. OSv gives back the lowest ones (commit 85888b68),
 * since nothing but the debug allocator ever leaves them empty.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import { AllocatorError } from "./allocator-error.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";
import type { PageSource } from "./small-objects.ts";

/** Virtual pages of an area: 2^44 bytes. */
export const VIRTUAL_PAGES = 2 ** 32;
const LEVELS = 4;
const ENTRIES = 512;
const INDEX_BITS = 9;
const WORDS_PER_ENTRY = 2;
/** Bits of an entry: it is there, and may be written to. The page's physical address is above them. */
const PRESENT = 1;
const WRITABLE = 2;
const PAGES_PER_HIGH = 2 ** 20;

/** Virtual pages are numbered from the area's begin. */
export class PageTable {
  readonly #memory: PhysicalMemory;
  readonly #pages: PageSource;
  /** By page: how many entries the node in it has. */
  readonly #counts: Uint16Array;
  #root: number | undefined;
  #nodes = 0;

  constructor(memory: PhysicalMemory, pages: PageSource) {
    this.#memory = memory;
    this.#pages = pages;
    this.#counts = new Uint16Array(memory.pageCount);
  }

  /** Pages that the table itself takes. */
  get nodes(): number {
    return this.#nodes;
  }

  /**
   * @returns false, and nothing is changed, when there is no page for a node
   * @throws {AllocatorError} WL_ALLOC_RANGE for a page that is not in the area, or is mapped already
   */
  map(virtual: number, page: number, cpu: number): boolean {
    if (!Number.isInteger(virtual) || virtual < 0 || virtual >= VIRTUAL_PAGES) {
      throw new AllocatorError("WL_ALLOC_RANGE", `There is no virtual page ${virtual} in an area`);
    }
    const path = this.#path(virtual);
    if (
      path.length === LEVELS &&
      this.#entry(path[LEVELS - 1], virtual, LEVELS - 1) !== undefined
    ) {
      throw new AllocatorError("WL_ALLOC_RANGE", `Virtual page ${virtual} is mapped already`);
    }
    if (!this.#grow(path, virtual, cpu)) {
      this.#prune(path, virtual, cpu);
      return false;
    }
    this.#setEntry(path[LEVELS - 1], virtual, LEVELS - 1, page);
    return true;
  }

  /** @returns the page that was there; undefined when none was */
  unmap(virtual: number, cpu: number): number | undefined {
    const path = this.#path(virtual);
    if (path.length < LEVELS) return undefined;
    const page = this.#entry(path[LEVELS - 1], virtual, LEVELS - 1);
    if (page === undefined) return undefined;
    this.#clearEntry(path[LEVELS - 1], virtual, LEVELS - 1);
    this.#prune(path, virtual, cpu);
    return page;
  }

  /** @returns the physical page behind a virtual one; undefined where the CPU faults */
  translate(virtual: number): number | undefined {
    let page = this.#root;
    for (let level = 0; level < LEVELS && page !== undefined; level += 1) {
      page = this.#entry(page, virtual, level);
    }
    return page;
  }

  /** All that is mapped, in order. */
  *mappings(): Generator<{ readonly virtual: number; readonly page: number }> {
    if (this.#root !== undefined) yield* this.#mappingsBelow(this.#root, 0, 0);
  }

  /** @returns what is wrong with the nodes: a sentence each */
  violations(): string[] {
    const found: string[] = [];
    let nodes = 0;
    const visit = (node: number, level: number): void => {
      nodes += 1;
      const children = this.#children(node).map(({ page }) => page);
      const count = this.#counts[node];
      if (children.length === 0) found.push(`The node in page ${node} is empty`);
      if (children.length !== count) {
        found.push(`The node in page ${node} has ${children.length} entries, not ${count}`);
      }
      if (level < LEVELS - 1) for (const child of children) visit(child, level + 1);
    };
    if (this.#root !== undefined) visit(this.#root, 0);
    if (nodes !== this.#nodes) found.push(`The table has ${nodes} nodes, not ${this.#nodes}`);
    return found;
  }

  /** The nodes on the way to a page, as far as there are any. */
  #path(virtual: number): number[] {
    const path: number[] = [];
    let node = this.#root;
    while (node !== undefined && path.length < LEVELS) {
      const level = path.push(node) - 1;
      node = this.#entry(node, virtual, level);
    }
    return path;
  }

  /** Adds the nodes that a path lacks. @returns whether there was a page for each */
  #grow(path: number[], virtual: number, cpu: number): boolean {
    while (path.length < LEVELS) {
      const node = this.#pages.allocatePage(cpu);
      if (node === undefined) return false;
      this.#memory.words.fill(0, node * WORDS_PER_PAGE, (node + 1) * WORDS_PER_PAGE);
      this.#counts[node] = 0;
      this.#nodes += 1;
      const parent = path.at(-1);
      if (parent === undefined) this.#root = node;
      else this.#setEntry(parent, virtual, path.length - 1, node);
      path.push(node);
    }
    return true;
  }

  /** Gives back the nodes at a path's end that are empty. */
  #prune(path: readonly number[], virtual: number, cpu: number): void {
    for (let level = path.length - 1; level >= 0; level -= 1) {
      const node = path[level] ?? 0;
      if (this.#counts[node] !== 0) return;
      if (level === 0) this.#root = undefined;
      else this.#clearEntry(path[level - 1], virtual, level - 1);
      this.#nodes -= 1;
      this.#pages.freePage(node, cpu);
    }
  }

  *#mappingsBelow(
    node: number,
    level: number,
    first: number,
  ): Generator<{ readonly virtual: number; readonly page: number }> {
    for (const { index, page } of this.#children(node)) {
      const virtual = first + index * ENTRIES ** (LEVELS - 1 - level);
      if (level === LEVELS - 1) yield { virtual, page };
      else yield* this.#mappingsBelow(page, level + 1, virtual);
    }
  }

  #children(node: number): { readonly index: number; readonly page: number }[] {
    const children: { index: number; page: number }[] = [];
    for (let index = 0; index < ENTRIES; index += 1) {
      const page = this.#at(node, index);
      if (page !== undefined) children.push({ index, page });
    }
    return children;
  }

  #entry(node: number | undefined, virtual: number, level: number): number | undefined {
    return node === undefined ? undefined : this.#at(node, indexOf(virtual, level));
  }

  #at(node: number, index: number): number | undefined {
    const { words } = this.#memory;
    const at = node * WORDS_PER_PAGE + index * WORDS_PER_ENTRY;
    const low = words[at] ?? 0;
    if ((low & PRESENT) === 0) return undefined;
    return (words[at + 1] ?? 0) * PAGES_PER_HIGH + Math.floor(low / PAGE_BYTES);
  }

  #setEntry(node: number | undefined, virtual: number, level: number, page: number): void {
    const at = (node ?? 0) * WORDS_PER_PAGE + indexOf(virtual, level) * WORDS_PER_ENTRY;
    const { words } = this.#memory;
    words[at] = (page % PAGES_PER_HIGH) * PAGE_BYTES + (PRESENT | WRITABLE);
    words[at + 1] = Math.floor(page / PAGES_PER_HIGH);
    this.#counts[node ?? 0] = (this.#counts[node ?? 0] ?? 0) + 1;
  }

  #clearEntry(node: number | undefined, virtual: number, level: number): void {
    const at = (node ?? 0) * WORDS_PER_PAGE + indexOf(virtual, level) * WORDS_PER_ENTRY;
    this.#memory.words.fill(0, at, at + WORDS_PER_ENTRY);
    this.#counts[node ?? 0] = (this.#counts[node ?? 0] ?? 0) - 1;
  }
}

/** In the node of a level, 0 for the root, of a virtual page's entry. */
function indexOf(virtual: number, level: number): number {
  return (virtual >>> (INDEX_BITS * (LEVELS - 1 - level))) & (ENTRIES - 1);
}
