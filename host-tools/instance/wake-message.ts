/** The wake message (guest/api/wake-message.ts) of a machine that goes on from a saved state: pure. */

import type { PhaseRecord } from "../../guest/api/journal.ts";
import type { WakeDocument } from "../../guest/api/template.ts";
import { NOTHING_BOUND, WAKE_RECORD_BYTES } from "../../guest/api/wake-channel.ts";
import {
  HOSTNAME_BYTES_MAX,
  hostsFile,
  WAKE_ENTROPY_BYTES,
  WAKE_LAYOUT,
  WOKEN_BYTES,
} from "../../guest/api/wake-message.ts";
import type { WakeRecord } from "../../guest/api/wake-record.ts";

/** ADJ_SETOFFSET | ADJ_NANO (include/uapi/linux/timex.h) */
const CLOCK_ADD_NANOSECONDS = 0x2100;
/** struct timex: seconds and nanoseconds, 64 bits each. */
const TIMEX_TIME = 72;
/** ARPHRD_ETHER (include/uapi/linux/if_arp.h) */
const ETHERNET = 1;
const NETWORK_CARD = "eth0";

export interface WakeMessage {
  /** How long the machine was saved; what its clock is behind. */
  readonly asleepMs: number;
  /** WAKE_ENTROPY_BYTES of them. */
  readonly entropy: Uint8Array;
  /** "52:57:00:01:02:03" */
  readonly macAddress: string;
  readonly document: WakeDocument;
  /** This host's clock, Unix time in milliseconds. */
  readonly nowMs: number;
  /** How much earlier programs with hooks go on than everything else. */
  readonly headStartMs: number;
  /** For the programs' hooks. */
  readonly record: WakeRecord;
}

/** @throws {RangeError} for a record that is too long: more than some three kilobytes of variables and arguments */
export function encodeWakeMessage(message: WakeMessage): Buffer {
  const { asleepMs, entropy, macAddress, nowMs, headStartMs, document, record } = message;
  if (entropy.length !== WAKE_ENTROPY_BYTES) throw new RangeError("wrong amount of entropy");
  const bytes = Buffer.alloc(WAKE_LAYOUT.document);
  bytes.writeUInt32LE(CLOCK_ADD_NANOSECONDS, WAKE_LAYOUT.clock);
  writeTime(bytes, WAKE_LAYOUT.clock + TIMEX_TIME, asleepMs);
  writeTime(bytes, WAKE_LAYOUT.headStart, headStartMs);

  bytes.writeInt32LE(entropy.length * 8, WAKE_LAYOUT.entropy); // bits
  bytes.writeInt32LE(entropy.length, WAKE_LAYOUT.entropy + 4);
  bytes.set(entropy, WAKE_LAYOUT.entropy + 8);

  bytes.write(NETWORK_CARD, WAKE_LAYOUT.networkCard, "latin1");
  bytes.writeUInt16LE(ETHERNET, WAKE_LAYOUT.networkCard + 16);
  bytes.set(Buffer.from(macAddress.replaceAll(":", ""), "hex"), WAKE_LAYOUT.networkCard + 18);

  const hostname = Buffer.from(document.instance.hostname).subarray(0, HOSTNAME_BYTES_MAX);
  bytes.writeBigUInt64LE(BigInt(hostname.length), WAKE_LAYOUT.hostnameLength);
  bytes.set(hostname, WAKE_LAYOUT.hostname);

  bytes.write(hostsFile(hostname.toString()), WAKE_LAYOUT.hosts);
  const woken: PhaseRecord = { kind: "phase", timeMs: nowMs, phase: "woken", uptimeMs: 0 };
  bytes.write(`${JSON.stringify(woken).padEnd(WOKEN_BYTES - 1)}\n`, WAKE_LAYOUT.journal);

  const isBound = record.kind === "clone" && Object.keys(record.env).length > 0;
  const mark = isBound ? "" : String.fromCharCode(NOTHING_BOUND);
  const text = Buffer.from(mark + JSON.stringify(record));
  if (text.length > WAKE_RECORD_BYTES) {
    throw new RangeError(
      `late-bound variables and arguments take ${text.length} bytes, not up to ${WAKE_RECORD_BYTES}`,
    );
  }
  bytes.fill(" ", WAKE_LAYOUT.record, WAKE_LAYOUT.record + WAKE_RECORD_BYTES);
  bytes.set(text, WAKE_LAYOUT.record);
  return Buffer.concat([bytes, Buffer.from(`${JSON.stringify(document)}\n`)]);
}

/** Seconds, rounded down, and nanoseconds: 64 bits each. */
function writeTime(bytes: Buffer, at: number, milliseconds: number): void {
  const nanoseconds = BigInt(Math.round(milliseconds * 1e6));
  const billion = 1_000_000_000n;
  const rest = ((nanoseconds % billion) + billion) % billion;
  bytes.writeBigInt64LE((nanoseconds - rest) / billion, at);
  bytes.writeBigInt64LE(rest, at + 8);
}
