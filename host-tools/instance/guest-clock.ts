/** Setting a guest's clock right after its machine stood still. */
import type { CallOptions, GuestClient } from "../guest-client/guest-client.ts";

/** What a clock may be off. */
const CLOCK_TOLERANCE_MS = 50;

export interface ClockReading {
  /** Host's clock before the guest was asked, and when it had answered. */
  readonly sentMs: number;
  readonly repliedMs: number;
  /** Guest's clock at some moment between. */
  readonly timeMs: number;
}

/**
 * Moves a clock on by the time that the machine stood still, and by what it was off before: a kernel takes
 * the time of its boot from a clock that knows seconds only.
 *
 * @throws {HostError} WL_GUEST_*; or the signal's reason
 */
export async function setClockRight(
  client: GuestClient,
  stoodStillMs: number,
  wait: CallOptions,
): Promise<void> {
  const advance = async (milliseconds: number): Promise<ClockReading> => {
    const sentMs = Date.now();
    const { timeMs } = await client.call("clockAdvance", { body: { milliseconds } }, wait);
    return { sentMs, repliedMs: Date.now(), timeMs };
  };
  const behindMs = clockError(await advance(stoodStillMs));
  if (behindMs !== 0) await advance(behindMs);
}

/** Readings for a clock that many machines go on from; the best one counts. */
const READINGS_MAX = 5;
/** A reading that took twice as long is taken again: the guest or the host was busy. */
const FINE_MS = 10;

/**
 * Sets a clock right as well as this host can: what it is off by then, every clone of the machine is.
 *
 * @throws {HostError} WL_GUEST_*; or the signal's reason
 */
export async function setClockFinely(client: GuestClient, wait: CallOptions): Promise<void> {
  let best: ClockReading | undefined;
  for (let count = 0; count < READINGS_MAX; count += 1) {
    const sentMs = Date.now();
    const { timeMs } = await client.call("clockAdvance", { body: { milliseconds: 0 } }, wait);
    const reading = { sentMs, repliedMs: Date.now(), timeMs };
    if (best === undefined || uncertainty(reading) < uncertainty(best)) best = reading;
    if (uncertainty(best) <= FINE_MS) break;
  }
  if (best === undefined) return;
  const milliseconds = (best.sentMs + best.repliedMs) / 2 - best.timeMs;
  await client.call("clockAdvance", { body: { milliseconds } }, wait);
}

function uncertainty({ sentMs, repliedMs }: ClockReading): number {
  return (repliedMs - sentMs) / 2;
}

/** How far a clock is behind, in milliseconds; 0 when it may as well be right. Pure. */
export function clockError({ sentMs, repliedMs, timeMs }: ClockReading): number {
  const behindMs = (sentMs + repliedMs) / 2 - timeMs;
  const uncertainMs = uncertainty({ sentMs, repliedMs, timeMs });
  return Math.abs(behindMs) > uncertainMs + CLOCK_TOLERANCE_MS ? behindMs : 0;
}
