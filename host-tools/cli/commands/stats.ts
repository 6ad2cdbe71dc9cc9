/** `windlass stats`. */
import { setTimeout as delay } from "node:timers/promises";
import { HostError } from "../../errors.ts";
import type { GuestClient } from "../../guest-client/guest-client.ts";
import { type Instance, Instances } from "../../instance/instances.ts";
import type { Execute } from "../invocation.ts";
import { bytesText, percentText } from "../quantity-text.ts";
import { type Sample, type StatsView, statsBetween, takeSample } from "../sampled-stats.ts";
import { tableText } from "../table-text.ts";

const INTERVAL_MS = 1000;
/** Cursor to the corner, and everything below it cleared (ECMA-48 CUP, ED). */
const REDRAW = "\x1b[H\x1b[J";
const TITLES = [
  "NAME",
  "CPU",
  "MEMORY",
  "NET IN / OUT",
  "DISK IN / OUT",
  "PIDS",
  "HOST CPU",
  "HOST MEMORY",
];

export const execute: Execute<"stats"> = async ({ options, operands, output, signal }) => {
  const instances = new Instances();
  for (const name of operands) await mustRun(instances, name);
  await using watched = new Watched(instances, operands);
  await watched.sample(signal);
  for (;;) {
    await delay(INTERVAL_MS, undefined, { signal });
    const views = await watched.sample(signal);
    if (options.json) for (const view of views) await output.jsonLine(view);
    else
      await output.print(
        `${output.isTerminal && !options["no-stream"] ? REDRAW : ""}${table(views)}`,
      );
    if (options["no-stream"]) return 0;
    if (operands.length > 0 && views.length === 0) return 0; // All that were named have ended.
  }
};

/** @throws {HostError} WL_INSTANCE_UNKNOWN, WL_INSTANCE_STATE */
async function mustRun(instances: Instances, name: string): Promise<void> {
  const { client } = await instances.client(name);
  await client.close();
}

interface Watch {
  readonly client: GuestClient;
  readonly pid: number;
  last?: Sample;
}

/** The running instances, with a client for each that is kept between samples. */
class Watched implements AsyncDisposable {
  readonly #instances: Instances;
  readonly #names: readonly string[];
  readonly #watches = new Map<string, Watch>();

  constructor(instances: Instances, names: readonly string[]) {
    this.#instances = instances;
    this.#names = names;
  }

  /** Looks at every instance; those that were looked at before have rates. */
  async sample(signal: AbortSignal): Promise<StatsView[]> {
    const all = await this.#instances.list();
    const shown = all.filter(
      ({ state, record: { id, name } }) =>
        state === "running" &&
        (this.#names.length === 0 || this.#names.some((one) => one === name || id.startsWith(one))),
    );
    const views = await Promise.all(shown.map((instance) => this.#look(instance, signal)));
    return views.filter((view) => view !== undefined);
  }

  async #look({ record }: Instance, signal: AbortSignal): Promise<StatsView | undefined> {
    const { id, name, launch } = record;
    const pid = launch?.process.pid ?? 0;
    let watch = this.#watches.get(id);
    if (watch?.pid !== pid) {
      await watch?.client.close();
      const { client } = await this.#instances.client(id);
      watch = { client, pid };
      this.#watches.set(id, watch);
    }
    try {
      const now = await takeSample(watch.client, pid, signal);
      const { last } = watch;
      watch.last = now;
      return last && statsBetween({ id, name }, last, now);
    } catch (error) {
      signal.throwIfAborted();
      // It boots, or has just ended: the next round tells.
      if (error instanceof HostError || (error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#watches.values()) await client.close();
  }
}

function table(views: readonly StatsView[]): string {
  const rows = views.map((view) => [
    view.name,
    percentText(view.cpu),
    `${bytesText(view.memoryUsedBytes)} / ${bytesText(view.memoryTotalBytes)}`,
    `${bytesText(view.rxBytes)} / ${bytesText(view.txBytes)}`,
    `${bytesText(view.readBytes)} / ${bytesText(view.writtenBytes)}`,
    String(view.pids),
    percentText(view.hostCpu),
    bytesText(view.hostMemoryBytes),
  ]);
  return tableText(TITLES, rows);
}
