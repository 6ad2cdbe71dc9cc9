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

/** How far a clock is behind, in milliseconds; 0 when it may as well be right. Pure. */
export function clockError({ sentMs, repliedMs, timeMs }: ClockReading): number {
  const behindMs = (sentMs + repliedMs) / 2 - timeMs;
  const uncertainMs = (repliedMs - sentMs) / 2;
  return Math.abs(behindMs) > uncertainMs + CLOCK_TOLERANCE_MS ? behindMs : 0;
}
