/** Single pages for the regions: from the CPU's pool when the CPUs are up, and before that from the page ranges. */
import type { Region } from "./dispatch.ts";
import type { EarlyPageSource } from "./early-objects.ts";
import type { PageOwners } from "./page-owners.ts";
import type { PagePools } from "./page-pools.ts";
import type { PageRanges } from "./page-ranges.ts";
import type { PageSource } from "./small-objects.ts";

export interface PageSupplyParts {
  readonly ranges: PageRanges;
  readonly owners: PageOwners;
  readonly pools: PagePools | undefined;
  /** Whether pools are balanced by whoever uses them, and not by steps. */
  readonly isAtOnce: boolean;
  /** Gives back what a CPU only keeps for later. */
  readonly reclaim: (cpu: number) => void;
}

export class PageSupply {
  isBooting: boolean;
  readonly #parts: PageSupplyParts;

  constructor(parts: PageSupplyParts, isBooting: boolean) {
    this.#parts = parts;
    this.isBooting = isBooting;
  }

  /** @returns the page's number; undefined when there is none */
  take(owner: Exclude<Region, "large">, cpu: number): number | undefined {
    let page = this.#next(cpu);
    if (page === undefined) {
      this.#parts.reclaim(cpu);
      page = this.#next(cpu);
    }
    if (page !== undefined) this.#parts.owners.set(owner, page);
    return page;
  }

  give(page: number, cpu: number): void {
    const { pools, isAtOnce } = this.#parts;
    if (!pools || this.isBooting) {
      this.#giveBack(page);
      return;
    }
    pools.freePage(page, cpu);
    if (isAtOnce && pools.isDue(cpu)) pools.balance(cpu);
  }

  sourceFor(owner: "mempool" | "half-page" | "debug"): PageSource {
    return {
      allocatePage: (cpu) => this.take(owner, cpu),
      freePage: (page, cpu) => this.give(page, cpu),
    };
  }

  /** Past the pools, which are the CPUs' own: anybody may free the last object of a page. */
  earlySource(): EarlyPageSource {
    const { ranges, owners } = this.#parts;
    return {
      allocatePage: () => {
        const page = ranges.allocate(1);
        if (page !== undefined) owners.set("early", page);
        return page;
      },
      freePage: (page) => this.#giveBack(page),
    };
  }

  #next(cpu: number): number | undefined {
    const { pools, ranges, isAtOnce } = this.#parts;
    if (!pools || this.isBooting) return ranges.allocate(1);
    const page = pools.allocatePage(cpu);
    if (isAtOnce && pools.isDue(cpu)) pools.balance(cpu);
    return page;
  }

  #giveBack(page: number): void {
    const { ranges, owners } = this.#parts;
    owners.set("free", page);
    ranges.free(page, 1);
  }
}
