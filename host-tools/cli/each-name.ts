/** One action for several names: what fails is reported, the others go on. */

export interface EachResult<T> {
  readonly results: readonly T[];
  /** Exit status: 1 when one failed. */
  readonly status: number;
}

/** One after the other, in the given order. @throws the signal's reason */
export async function forEachName<T>(
  {
    operands,
    signal,
    report,
  }: {
    readonly operands: readonly string[];
    readonly signal: AbortSignal;
    readonly report: (error: unknown) => void;
  },
  action: (name: string) => Promise<T>,
): Promise<EachResult<T>> {
  const results: T[] = [];
  let status = 0;
  for (const name of operands) {
    signal.throwIfAborted();
    try {
      results.push(await action(name));
    } catch (error) {
      signal.throwIfAborted();
      report(error);
      status = 1;
    }
  }
  return { results, status };
}
