/**
 * The project's benchmarks: `npm run -s bench -- NAME [--json] [-n RUNS]`. With `--json`, exactly one JSON
 * object on standard output; else a table. An anchor that a figure is compared with is a case of its
 * own, measured in the same run.
 */
import { cpus, release } from "node:os";
import { findQemu } from "../../host-tools/qemu/binary.ts";

/** Nanoseconds, milliseconds, seconds, bytes, MiB, or events per second. */
/** "1": a number of things, or a ratio. */
export type BenchUnit = "ns" | "ms" | "s" | "bytes" | "MiB" | "1/s" | "MB/s" | "1";

export interface BenchCase {
  readonly case: string;
  readonly unit: BenchUnit;
  readonly n: number;
  readonly median: number;
  readonly p95: number;
  readonly min: number;
  readonly max: number;
}

export interface BenchReport {
  readonly bench: string;
  readonly machine: {
    readonly cpus: number;
    readonly accelerator: string;
    readonly qemu: string;
    readonly node: string;
    readonly kernel: string;
  };
  readonly cases: readonly BenchCase[];
}

/** Collects samples; the order of first mention is the order of the report. */
export class Samples {
  readonly #cases = new Map<string, { unit: BenchUnit; values: number[] }>();

  add(name: string, unit: BenchUnit, value: number): void {
    const known = this.#cases.get(name) ?? { unit, values: [] };
    known.values.push(value);
    this.#cases.set(name, known);
  }

  cases(): BenchCase[] {
    return [...this.#cases].map(([name, { unit, values }]) => ({
      case: name,
      unit,
      ...summary(values),
    }));
  }
}

export function summary(values: readonly number[]): Omit<BenchCase, "case" | "unit"> {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    rounded(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [
    sorted[Math.ceil(middle) - 1],
    sorted[Math.floor(middle)],
  ];
  return {
    n: sorted.length,
    median: rounded((low + high) / 2),
    p95: at(0.95),
    min: at(0),
    max: at(1),
  };
}

/** @param accelerator what the guests of this run used; "none" where no guest ran */
export async function report(
  bench: string,
  samples: Samples,
  accelerator: string,
): Promise<BenchReport> {
  const qemu = await findQemu().then(
    ({ version }) => version,
    () => "none",
  );
  const machine = {
    cpus: cpus().length,
    accelerator,
    qemu,
    node: process.versions.node,
    kernel: release(),
  };
  return { bench, machine, cases: samples.cases() };
}

export function table({ bench, machine, cases }: BenchReport): string {
  const head = ["case", "unit", "n", "median", "p95", "min", "max"];
  const rows = cases.map((one) => [
    one.case,
    one.unit,
    ...[one.n, one.median, one.p95, one.min, one.max].map(String),
  ]);
  const widths = head.map((word, column) =>
    Math.max(word.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  return [`${bench}: ${facts.join(", ")}`, line(head), ...rows.map(line)].join("\n");
}

function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Math.round(value * 100) / 100;
}
