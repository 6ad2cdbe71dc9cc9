/** What people write as values of options, turned into numbers and names. Pure, but for env files. */
import { constants } from "node:os";
import type { RestartPolicy } from "../../guest/api/program.ts";
import { signalName, signalNumber } from "../../guest/api/signal.ts";
import { scratchDisk } from "../../image-builder/disks/scratch-disk.ts";
import { restartPolicy } from "../../image-builder/manifest/quantity.ts";
import { nearestWord } from "../../image-builder/manifest/spelling.ts";
import { HostError } from "../errors.ts";

const MIB_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1 / (1024 * 1024),
  k: 1 / 1024,
  m: 1,
  g: 1024,
  t: 1024 * 1024,
};
/** A smaller machine cannot even load a kernel. */
const MEMORY_MIN_MIB = 32;
/** 1 TiB: what pc machines of QEMU can have. */
const MEMORY_MAX_MIB = 1024 * 1024;

/**
 * Docker's suffixes (b, k, m, g: powers of 1024); a number alone is MiB.
 *
 * @throws {HostError} WL_USAGE
 */
export function memoryMib(text: string): number {
  const [, amount, unit = "m"] = /^(\d+(?:\.\d+)?)\s*([bkmg])?(?:i?b)?$/i.exec(text) ?? [];
  if (amount === undefined) {
    throw usage(`"${text}" is no amount of memory`, "Write 256 (MiB), 512m or 1g");
  }
  const mib = Math.ceil(Number(amount) * (MIB_PER_UNIT[unit.toLowerCase()] ?? 1));
  if (mib < MEMORY_MIN_MIB || mib > MEMORY_MAX_MIB) {
    const range = `${MEMORY_MIN_MIB} MiB to ${MEMORY_MAX_MIB / 1024} GiB`;
    throw usage(`A machine cannot have ${mib} MiB of memory`, `Ask for ${range}`);
  }
  return mib;
}

/**
 * "1g" or "1g:/data"; sizes as for memory, and "t".
 *
 * @returns without a path where none was written
 * @throws {HostError} WL_USAGE
 */
export function scratchOf(text: string): { sizeMib: number; path?: string } {
  const [, amount, unit = "m", path] =
    /^(\d+(?:\.\d+)?)\s*([bkmgt])?(?:i?b)?(?::(.*))?$/is.exec(text) ?? [];
  if (amount === undefined) {
    throw usage(`"${text}" is no scratch disk`, "Write 512 (MiB), 1g or 1g:/data");
  }
  const sizeMib = Math.ceil(Number(amount) * (MIB_PER_UNIT[unit.toLowerCase()] ?? 1));
  try {
    return path === undefined
      ? { sizeMib: scratchDisk({ sizeMib }).sizeMib }
      : scratchDisk({ sizeMib, path });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usage(`Cannot use --scratch ${text}: ${error.message}`, "Write 1g, or 1g:/data");
  }
}

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, d: 86_400 };

/**
 * A time for --since and --until: "10m" and "1h30m" (ago), seconds since 1970, or ISO 8601.
 *
 * @returns Unix time in milliseconds
 * @throws {HostError} WL_USAGE
 */
export function timeMs(text: string, nowMs: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (/^(\d+(\.\d+)?[dhms])+$/.test(text)) {
    const parts = text.matchAll(/(\d+(?:\.\d+)?)([dhms])/g);
    let seconds = 0;
    for (const [, amount, unit] of parts) {
      seconds += Number(amount) * (SECONDS_PER_UNIT[unit ?? ""] ?? 0);
    }
    return Math.round(nowMs - seconds * 1000);
  }
  const time = /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw usage(`"${text}" is no time`, "Write 10m, 1h30m, 1767225600 or 2026-01-01T00:00:00Z");
  }
  return time;
}

/**
 * "SIGHUP", "hup", "1" or "RTMIN+3".
 *
 * @throws {HostError} WL_USAGE
 */
export function signalOption(text: string): string {
  const upper = text.toUpperCase();
  const named = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  const wanted = /^\d+$/.test(text) ? signalName(Number(text)) : named;
  if (wanted !== undefined && signalNumber(wanted) !== undefined) return wanted;
  const near = nearestWord(named, Object.keys(constants.signals));
  throw usage(`"${text}" is no signal`, near ? `Did you mean "${near}"?` : "Write HUP or SIGHUP");
}

/** @throws {HostError} WL_USAGE */
export function restartPolicyOf(text: string): RestartPolicy {
  try {
    return restartPolicy(text);
  } catch {
    throw usage(`"${text}" is no restart policy`, "Write no, always, on-failure or on-failure:3");
  }
}

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Docker's -e: "NAME=VALUE", or "NAME" for the value that the variable has here (left out when it has
 * none).
 *
 * @throws {HostError} WL_USAGE
 */
export function environment(
  words: readonly string[],
  own: Variables = process.env,
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    if (name === "" || word.includes("\0")) {
      throw usage(`"${word}" is no variable`, "Write NAME=VALUE, or NAME");
    }
    const value = equals < 0 ? own[name] : word.slice(equals + 1);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

/**
 * Docker's --env-file: one variable a line as for -e, without quoting; "#" begins a comment line.
 *
 * @throws {HostError} WL_USAGE
 */
export function environmentFile(
  text: string,
  file: string,
  own: Variables = process.env,
): Record<string, string> {
  const lines = text.split(/\r?\n/).map((line) => line.trimStart());
  const words = lines.filter((line) => line !== "" && !line.startsWith("#"));
  for (const word of words) {
    const name = word.split("=", 1)[0] ?? "";
    if (name === "" || /\s/.test(name)) {
      const number = lines.indexOf(word) + 1;
      throw usage(`Line ${number} of "${file}" is no variable`, "Write NAME=VALUE, or NAME");
    }
  }
  return environment(words, own);
}

/**
 * --tail: a number of lines, or "all".
 *
 * @throws {HostError} WL_USAGE
 */
export function tailLines(text: string | undefined): number {
  if (text === undefined || text === "all") return Number.POSITIVE_INFINITY;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usage(`"${text}" is no number of lines`, "Write --tail 20 or --tail all");
}

function usage(message: string, next: string): HostError {
  return new HostError("WL_USAGE", message, { next });
}
