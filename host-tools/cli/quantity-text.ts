/** Quantities as people read them. Pure. */

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** "0 B", "1.5 KiB", "23.4 MiB": three digits or so. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.95 would be written 1024.0.
  while (value >= (unit === 0 ? 1024 : 1023.95) && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** "12 ms", "1.2 s", "2 min 5 s": how long something took. */
export function elapsedText(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, in Docker's coarse words: "3 minutes", "About an hour". */
export function agoText(milliseconds: number): string {
  if (milliseconds < SECOND) return "Less than a second";
  if (milliseconds < MINUTE) return counted(milliseconds / SECOND, "second");
  if (milliseconds < 2 * MINUTE) return "About a minute";
  if (milliseconds < HOUR) return counted(milliseconds / MINUTE, "minute");
  const hours = Math.floor(milliseconds / HOUR + 0.5);
  if (hours <= 1) return "About an hour";
  if (hours < 48) return counted(hours, "hour");
  if (milliseconds < 14 * DAY) return counted(milliseconds / DAY, "day");
  if (milliseconds < 60 * DAY) return counted(milliseconds / (7 * DAY), "week");
  if (milliseconds < 730 * DAY) return counted(milliseconds / (30 * DAY), "month");
  return counted(milliseconds / (365 * DAY), "year");
}

function counted(amount: number, unit: string): string {
  return countText(Math.floor(amount), unit);
}

/** "1 page", "2 pages". @param count a whole number */
export function countText(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** 0.1234 is "12.3%". */
export function percentText(ratio: number): string {
  return `${(ratio * 100).toFixed(1)}%`;
}
