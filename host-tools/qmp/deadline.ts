/** Waiting with a limit: the work goes on by itself, only the waiting ends. */

/**
 * The outcome of `work`, unless the signal or the deadline comes first. Leaves no timer and no
 * listener behind.
 *
 * @param limits.expired makes the error for a deadline that passed
 * @throws what `work` throws, the signal's reason, or what `expired` makes
 */
export async function outcome<Value>(
  work: Promise<Value>,
  limits: {
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMs?: number | undefined;
    readonly expired?: () => Error;
  },
): Promise<Value> {
  const { signal, timeoutMs, expired = () => new Error(`not done in ${timeoutMs} ms`) } = limits;
  let timer: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  try {
    return await new Promise<Value>((resolve, reject) => {
      work.then(resolve, reject);
      abort = () => reject(signal?.reason);
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort, { once: true });
      if (timeoutMs !== undefined) timer = setTimeout(() => reject(expired()), timeoutMs);
    });
  } finally {
    clearTimeout(timer);
    if (abort) signal?.removeEventListener("abort", abort);
  }
}
