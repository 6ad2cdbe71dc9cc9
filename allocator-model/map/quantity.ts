/** Quantities as the map writes them, in the terminal and in the browser. Pure. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** "12.3 MiB" */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** "12,345" */
export function countText(count: number): string {
  return count.toLocaleString("en-US");
}
