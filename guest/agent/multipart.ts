/**
 * Reads multipart/form-data (RFC 7578, RFC 2046 section 5.1) as it arrives. A part's body must be
 * read, or is skipped, before the next part comes; no more than one chunk is held.
 */
import { AgentError } from "./agent-error.ts";

/** Most bytes of one part's header lines. */
const HEADER_MAX_BYTES = 16 * 1024;

export interface MultipartPart {
  readonly name: string;
  /** Present when the part is a file; a label only, never a path to write to. */
  readonly filename: string | undefined;
  readonly body: AsyncIterable<Buffer>;
}

/** @throws {AgentError} 400 when the stream is not what the content type says, or ends too early */
export async function* multipartParts(
  stream: AsyncIterable<Buffer>,
  contentType: string | undefined,
): AsyncGenerator<MultipartPart> {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? "");
  const text = boundary?.[1] ?? boundary?.[2];
  if (text === undefined) throw malformed("its content type names no boundary");
  const source = stream[Symbol.asyncIterator]();
  try {
    yield* partsOf(new DelimitedReader(source), Buffer.from(`\r\n--${text}`, "latin1"));
  } finally {
    await source.return?.();
  }
}

async function* partsOf(reader: DelimitedReader, delimiter: Buffer): AsyncGenerator<MultipartPart> {
  // The first delimiter may stand at the very start, without the line break before it.
  reader.unread(Buffer.from("\r\n"));
  await drain(reader.until(delimiter));
  while (true) {
    // "--" after a delimiter ends the form; blanks may follow any delimiter.
    const rest = await reader.line(HEADER_MAX_BYTES);
    if (rest.startsWith("--")) return;
    const { name, filename } = await partHeaders(reader);
    const body = reader.until(delimiter);
    yield { name, filename, body };
    await drain(body);
  }
}

async function partHeaders(
  reader: DelimitedReader,
): Promise<{ name: string; filename: string | undefined }> {
  let name = "";
  let filename: string | undefined;
  let left = HEADER_MAX_BYTES;
  while (true) {
    const line = await reader.line(left);
    if (line === "") return { name, filename };
    left -= line.length;
    if (!/^content-disposition:/i.test(line)) continue;
    name = /;\s*name="([^"]*)"/i.exec(line)?.[1] ?? name;
    filename = /;\s*filename="([^"]*)"/i.exec(line)?.[1];
  }
}

async function drain(body: AsyncIterable<Buffer>): Promise<void> {
  for await (const _chunk of body);
}

class DelimitedReader {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: AsyncIterator<Buffer>) {
    this.#source = source;
  }

  unread(bytes: Buffer): void {
    this.#held = Buffer.concat([bytes, this.#held]);
  }

  /** What comes before the delimiter; leaves off behind it. Reading it again gives nothing more. */
  until(delimiter: Buffer): AsyncGenerator<Buffer> {
    return this.#until(delimiter);
  }

  async *#until(delimiter: Buffer): AsyncGenerator<Buffer> {
    while (true) {
      const at = this.#held.indexOf(delimiter);
      if (at >= 0) {
        const last = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      // The last bytes may be the beginning of a delimiter.
      const safe = this.#held.length - delimiter.length + 1;
      if (safe > 0) {
        const chunk = this.#held.subarray(0, safe);
        this.#held = this.#held.subarray(safe);
        yield chunk;
      }
      await this.#more();
    }
  }

  /** One line without its line break. */
  async line(maxBytes: number): Promise<string> {
    while (true) {
      const at = this.#held.indexOf("\r\n");
      if (at > maxBytes || (at < 0 && this.#held.length > maxBytes)) {
        throw malformed("a header is too long");
      }
      if (at >= 0) {
        const line = this.#held.toString("utf8", 0, at);
        this.#held = this.#held.subarray(at + 2);
        return line;
      }
      // The closing delimiter needs no line break after it.
      if (this.#ended) return this.#held.toString("utf8");
      await this.#more({ orEnd: this.#held.toString("latin1").startsWith("--") });
    }
  }

  async #more({ orEnd = false } = {}): Promise<void> {
    const next = await this.#source.next();
    if (!next.done) {
      this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
      return;
    }
    if (!orEnd) throw malformed("it ends too early");
    this.#ended = true;
  }
}

function malformed(why: string): AgentError {
  return new AgentError("WL_AGENT_BAD_REQUEST", `The body is not multipart/form-data: ${why}`);
}
