/** Cases by their groups. Pure. */

/** "S12" of "S12.39", "chown" of "chown/00.285" */
export function groupOf(id: string): string {
  return id.split(/[./]/, 1)[0] ?? id;
}

/** In the order in which each key is first seen; as Map.groupBy, which Node 20 lacks. */
export function grouped<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, [T, ...T[]]> {
  const groups = new Map<K, [T, ...T[]]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
