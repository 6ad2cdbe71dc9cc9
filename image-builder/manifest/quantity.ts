/** The quantities that people write in a manifest, turned into numbers with a unit. */
import { type ProgramPort, type RestartPolicy, TIMER_MS_MAX } from "../../guest/api/program.ts";

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const MIB_PER_UNIT: Readonly<Record<string, number>> = { M: 1, G: 1024, T: 1024 * 1024 };

/**
 * @param duration milliseconds, or "500ms", "5s", "1.5m", "1h"
 * @throws {RangeError} when it is neither, or longer than a timer can wait
 */
export function durationMs(duration: number | string): number {
  const ms = typeof duration === "number" ? duration : writtenMs(duration);
  if (ms <= TIMER_MS_MAX) return ms;
  throw new RangeError(`${JSON.stringify(duration)} is more than 24 days`);
}

function writtenMs(duration: string): number {
  const [, amount, unit] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$/.exec(duration) ?? [];
  const factor = MS_PER_UNIT[unit ?? ""];
  if (factor === undefined) throw new RangeError(`${JSON.stringify(duration)} is no duration`);
  return Math.round(Number(amount) * factor);
}

/**
 * Suffixes are powers of 1024, as QEMU and Docker take them.
 *
 * @param size MiB, or "256M", "256MiB", "1.5G", "1TiB"
 * @throws {RangeError} when it is neither
 */
export function sizeMib(size: number | string): number {
  if (typeof size === "number") return size;
  const [, amount, unit] = /^([0-9]+(?:\.[0-9]+)?) ?([MGT])(?:i?B)?$/.exec(size) ?? [];
  const factor = MIB_PER_UNIT[unit ?? ""];
  if (factor === undefined) throw new RangeError(`${JSON.stringify(size)} is no size`);
  return Math.ceil(Number(amount) * factor);
}

/**
 * @param port 3000, "3000", "3000/tcp" or "3000/udp"
 * @throws {RangeError} when it is none of these, or not 1 to 65535
 */
export function programPort(port: number | string): ProgramPort {
  const [, digits, protocol = "tcp"] = /^([0-9]{1,5})(?:\/(tcp|udp))?$/.exec(String(port)) ?? [];
  const value = Number(digits);
  if (!(value >= 1 && value <= 65535)) {
    throw new RangeError(`${JSON.stringify(port)} is no port from 1 to 65535`);
  }
  return { port: value, protocol: protocol === "udp" ? "udp" : "tcp" };
}

/**
 * @param policy "no", "always", "on-failure" or "on-failure:N" (N = 0: without limit)
 * @throws {RangeError} when it is none of these
 */
export function restartPolicy(policy: string): RestartPolicy {
  const [, word, retries] = /^(no|always|on-failure)(?::([0-9]+))?$/.exec(policy) ?? [];
  if (word === undefined || (retries !== undefined && word !== "on-failure")) {
    throw new RangeError(`${JSON.stringify(policy)} is no restart policy`);
  }
  return { policy: word as RestartPolicy["policy"], maxRetries: Number(retries ?? 0) };
}
