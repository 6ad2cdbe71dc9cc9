/**
 * The QMP wire: JSON objects, one a line, in UTF-8. Pure; connection.ts adds the socket.
 *
 * QEMU ends lines with CR LF; a peer that sends LF alone is understood too. What a line means follows
 * "QEMU Machine Protocol Specification" (docs/interop/qmp-spec.rst): the greeting comes first, then
 * replies (`return` or `error`, with the command's `id`) and events in any order.
 */
import { HostError } from "../errors.ts";

/** Longest line accepted. The longest known reply, query-qmp-schema of QEMU 7.2, has 207 008 bytes. */
export const QMP_LINE_LIMIT_BYTES = 8 * 1024 * 1024;

const LINE_FEED = 0x0a;
/** How much of an offending line an error quotes. */
const QUOTED_CHARACTERS = 120;

export interface QmpGreeting {
  readonly kind: "greeting";
  readonly version: { readonly major: number; readonly minor: number; readonly micro: number };
  /** The packager's own words, for example "Debian 1:7.2+dfsg-7". May be empty. */
  readonly package: string;
  readonly capabilities: readonly string[];
}

/** The reply to a command. QEMU leaves out the id only when it could not read the command. */
export type QmpReply =
  | { readonly kind: "return"; readonly id: number | undefined; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly id: number | undefined;
      /** QMP's error class, for example "GenericError" or "CommandNotFound". */
      readonly class: string;
      readonly description: string;
    };

export interface QmpEvent {
  readonly kind: "event";
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Host time in milliseconds since 1970; QEMU gives microseconds. */
  readonly timeMs: number;
}

export type QmpMessage = QmpGreeting | QmpReply | QmpEvent;

/** One command as a line, ready to be written. */
export function encodeQmpCommand(name: string, argument: object | undefined, id: number): string {
  return `${JSON.stringify({ execute: name, arguments: argument, id })}\n`;
}

/** Cuts a byte stream into messages; keeps the unfinished rest for the next chunk. */
export class QmpDecoder {
  readonly #limitBytes: number;
  #rest: Uint8Array[] = [];
  #restBytes = 0;

  constructor(limitBytes = QMP_LINE_LIMIT_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /**
   * The messages that `chunk` completes, in order, each decoded when it is asked for: those before a
   * bad line are delivered, then the error is thrown, and the stream is of no further use.
   *
   * @throws {HostError} WL_QMP_PROTOCOL for a line that is no QMP message, or longer than the limit
   */
  *push(chunk: Uint8Array): Generator<QmpMessage, void, undefined> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      const piece = chunk.subarray(start, end === -1 ? undefined : end);
      this.#rest.push(piece);
      this.#restBytes += piece.length;
      if (this.#restBytes > this.#limitBytes) {
        throw protocolError(`a line is longer than ${this.#limitBytes} bytes`);
      }
      if (end === -1) return;
      const line = decodeUtf8(Buffer.concat(this.#rest, this.#restBytes)).trim();
      this.#rest = [];
      this.#restBytes = 0;
      start = end + 1;
      if (line !== "") yield decodeQmpMessage(line);
    }
  }
}

/**
 * What one line says.
 *
 * @throws {HostError} WL_QMP_PROTOCOL when the line is no QMP message
 */
export function decodeQmpMessage(line: string): QmpMessage {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw protocolError(`a line is not JSON: ${quote(line)}`, cause);
  }
  const message = isRecord(parsed)
    ? (readGreeting(parsed) ?? readEvent(parsed) ?? readReply(parsed))
    : undefined;
  if (!message) throw protocolError(`a line is no QMP message: ${quote(line)}`);
  return message;
}

function readGreeting(message: Record<string, unknown>): QmpGreeting | undefined {
  const greeting = message["QMP"];
  if (!isRecord(greeting) || !isRecord(greeting["version"])) return undefined;
  const { qemu, package: packager } = greeting["version"];
  const capabilities = greeting["capabilities"];
  if (!isRecord(qemu) || !Array.isArray(capabilities)) return undefined;
  const { major, minor, micro } = qemu;
  if (typeof major !== "number" || typeof minor !== "number" || typeof micro !== "number") {
    return undefined;
  }
  return {
    kind: "greeting",
    version: { major, minor, micro },
    package: typeof packager === "string" ? packager : "",
    capabilities: capabilities.filter((capability) => typeof capability === "string"),
  };
}

function readEvent(message: Record<string, unknown>): QmpEvent | undefined {
  const { event: name, data = {}, timestamp } = message;
  if (typeof name !== "string" || !isRecord(data) || !isRecord(timestamp)) return undefined;
  const { seconds, microseconds } = timestamp;
  if (typeof seconds !== "number" || typeof microseconds !== "number") return undefined;
  return { kind: "event", name, data, timeMs: seconds * 1000 + microseconds / 1000 };
}

function readReply(message: Record<string, unknown>): QmpReply | undefined {
  const { id, error } = message;
  if (id !== undefined && typeof id !== "number") return undefined;
  if ("return" in message) return { kind: "return", id, value: message["return"] };
  if (!isRecord(error)) return undefined;
  const { class: errorClass, desc } = error;
  if (typeof errorClass !== "string" || typeof desc !== "string") return undefined;
  return { kind: "error", id, class: errorClass, description: desc };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw protocolError("a line is not UTF-8", cause);
  }
}

function protocolError(what: string, cause?: unknown): HostError {
  return new HostError(
    "WL_QMP_PROTOCOL",
    `Cannot understand QEMU's monitor: ${what}`,
    { next: "Check that the socket belongs to QEMU and that QEMU is version 7.0 or later" },
    cause,
  );
}

function quote(line: string): string {
  const shown = line.length > QUOTED_CHARACTERS ? `${line.slice(0, QUOTED_CHARACTERS)}...` : line;
  return JSON.stringify(shown);
}
