/**
 * As `Promise.all`, but nothing of it goes on when it is over: what one failure makes useless must not still write files.
 *
 * @throws the first failure of the list, when all have ended
 */
export async function settled<T extends readonly unknown[]>(
  work: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}
