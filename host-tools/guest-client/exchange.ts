/**
 * One HTTP exchange with an agent over a kept-alive connection: bytes in, bytes out, and every way it
 * can fail as a HostError. Knows nothing of operations.
 */
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ErrorReply } from "../../guest/api/error-reply.ts";
import { HostError } from "../errors.ts";

/** Idle connections kept to one agent. */
const IDLE_SOCKETS_MAX = 4;
/** Longest reply that is collected in memory. */
const REPLY_MAX_BYTES = 64 * 1024 * 1024;

export interface AgentAddress {
  /** Host name or address. */
  readonly host: string;
  readonly port: number;
  /** Bearer token, in the clear. */
  readonly token: string;
}

export interface Outgoing {
  readonly method: string;
  /** Path and query, encoded. */
  readonly path: string;
  readonly contentType?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | Readable;
}

export interface ExchangeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Until the reply's headers are there; 0 waits for ever. Milliseconds. */
  readonly timeoutMs: number;
}

export class Exchange {
  readonly address: AgentAddress;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: IDLE_SOCKETS_MAX });

  constructor(address: AgentAddress) {
    this.address = address;
  }

  /**
   * Sends the request and resolves with the reply as soon as its headers are there. Whatever the
   * status, the reply's body has to be read or destroyed.
   * @throws {HostError} WL_GUEST_UNREACHABLE; the signal's reason when it is aborted
   */
  async send(outgoing: Outgoing, options: ExchangeOptions): Promise<IncomingMessage> {
    try {
      return await this.#sendOnce(outgoing, options);
    } catch (error) {
      // The agent may close an idle connection just as it is used again; a GET may be repeated.
      if (!(error instanceof StaleConnection)) throw error;
      if (outgoing.method === "GET") return this.#sendOnce(outgoing, options);
      throw this.unreachable(error.cause);
    }
  }

  /**
   * Collects a reply's body.
   * @throws {HostError} WL_GUEST_UNREACHABLE when it is cut short, WL_GUEST_PROTOCOL when too long
   */
  async bytes(reply: IncomingMessage, signal?: AbortSignal): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    for await (const chunk of this.chunks(reply, signal)) {
      sizeBytes += chunk.length;
      if (sizeBytes > REPLY_MAX_BYTES) {
        throw protocolError(`it is longer than ${REPLY_MAX_BYTES} bytes`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** A reply's body as it comes. @throws {HostError} WL_GUEST_UNREACHABLE when it is cut short */
  async *chunks(reply: IncomingMessage, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const body: AsyncIterator<Buffer> = reply[Symbol.asyncIterator]();
    try {
      while (true) {
        const next = await body.next().catch((error) => {
          throw signal?.aborted ? signal.reason : this.unreachable(error);
        });
        if (next.done) return;
        yield next.value;
      }
    } finally {
      reply.destroy();
    }
  }

  /** Turns a reply that is a refusal into the error to throw; reads its body. */
  async refusal(reply: IncomingMessage, what: string, signal?: AbortSignal): Promise<HostError> {
    const text = (await this.bytes(reply, signal)).toString("utf8");
    return refusedWith(reply.statusCode ?? 0, parseRefusal(text), what);
  }

  /** Ends all connections. */
  close(): void {
    this.#agent.destroy();
  }

  get headers(): OutgoingHttpHeaders {
    return { authorization: `Bearer ${this.address.token}` };
  }

  unreachable(cause: unknown): HostError {
    const { host, port } = this.address;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new HostError(
      "WL_GUEST_UNREACHABLE",
      `Cannot reach the agent at ${host}:${port}: ${why}`,
      { next: "Look whether the instance runs and has finished booting" },
      cause,
    );
  }

  async #sendOnce(outgoing: Outgoing, options: ExchangeOptions): Promise<IncomingMessage> {
    const { body, contentType } = outgoing;
    const { signal, timeoutMs } = options;
    signal?.throwIfAborted();
    const outgoingRequest = request({
      host: this.address.host,
      port: this.address.port,
      method: outgoing.method,
      path: outgoing.path,
      agent: this.#agent,
      headers: {
        ...this.headers,
        ...(contentType !== undefined && { "content-type": contentType }),
        ...lengthHeader(body),
        ...outgoing.headers,
      },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      outgoingRequest.once("response", resolve);
      outgoingRequest.on("error", (error: NodeJS.ErrnoException) => {
        const stale = outgoingRequest.reusedSocket && error.code === "ECONNRESET";
        reject(stale ? new StaleConnection(error) : this.unreachable(error));
      });
    });
    const onAbort = (): void => {
      outgoingRequest.destroy();
    };
    const late = (): void => {
      outgoingRequest.destroy(new Error(`no reply within ${timeoutMs} ms`));
    };
    const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
        outgoingRequest.end(body);
      } else {
        // The agent may refuse before it has read everything: its reply counts, not the broken pipe.
        pipeline(body, outgoingRequest).catch((error) => outgoingRequest.destroy(error));
      }
      const reply = await answered;
      // From here on the body's reader is the one to be told.
      const onLateAbort = (): void => {
        reply.destroy(signal?.reason);
      };
      signal?.addEventListener("abort", onLateAbort, { once: true });
      reply.once("close", () => {
        signal?.removeEventListener("abort", onLateAbort);
        // Refused before everything was sent: the rest would go nowhere.
        if (!outgoingRequest.writableFinished) outgoingRequest.destroy();
      });
      return reply;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

/** A kept connection was closed under a request; `cause` is what Node said. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super("the kept connection was closed", { cause });
  }
}

function lengthHeader(body: Outgoing["body"]): OutgoingHttpHeaders {
  if (typeof body === "string") return { "content-length": Buffer.byteLength(body) };
  if (body instanceof Uint8Array) return { "content-length": body.length };
  return {};
}

/** The same for a refusal that came inside a stream. */
export function refusedWith(
  status: number,
  reply: Partial<ErrorReply> & { message: string },
  what: string,
): HostError {
  const next =
    status === 401 || status === 403
      ? { next: "Use the token of this instance with the role admin" }
      : {};
  return new HostError("WL_GUEST_REFUSED", `The agent refused ${what}: ${reply.message}`, {
    ...next,
    detail: { status, ...reply },
  });
}

export function protocolError(why: string, cause?: unknown): HostError {
  return new HostError(
    "WL_GUEST_PROTOCOL",
    `The agent's reply makes no sense: ${why}`,
    { next: "Look whether the image was built by another version of Windlass" },
    cause,
  );
}

/** OSv's `{message, code}` and Fastify's shape both have a message. */
function parseRefusal(text: string): Partial<ErrorReply> & { message: string } {
  try {
    const parsed = JSON.parse(text) as Partial<ErrorReply>;
    if (typeof parsed.message === "string") return { ...parsed, message: parsed.message };
  } catch {}
  return { message: text.slice(0, 500) || "no reason given" };
}
