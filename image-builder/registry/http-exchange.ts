/**
 * One HTTP request and its reply's head; the body is left to the caller. A connection on which nothing moves
 * for a period is given up. Redirects are the caller's business.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { registryError, SilenceError } from "./registry-error.ts";

/** A registry that says nothing for so long has stalled. */
export const SILENCE_MS = 30_000;

/** Connections at once, and what is kept open between requests. */
const CONNECTIONS_MAX = 6;

export interface RequestBody {
  readonly sizeBytes: number;
  /** Called once for each attempt. */
  readonly open: () => Readable | Uint8Array;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
}

export class HttpExchanges implements Disposable {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  readonly #silentMs: number;
  readonly #signal: AbortSignal | undefined;

  constructor(options: { readonly silentMs?: number; readonly signal?: AbortSignal | undefined }) {
    this.#silentMs = options.silentMs ?? SILENCE_MS;
    this.#signal = options.signal;
  }

  /** How long a small document may take in all: one that trickles in is not silent. */
  get documentMs(): number {
    return this.#silentMs * 2;
  }

  /**
   * @returns the reply, whose body must be read or destroyed
   * @throws what the connection ended with, SilenceError among it; or the signal's reason
   */
  async send({ method, url, headers, body }: HttpRequest): Promise<IncomingMessage> {
    const isTls = url.protocol === "https:";
    const source = body?.open();
    return await new Promise((resolve, reject) => {
      const request = (isTls ? httpsRequest : httpRequest)(url, {
        method,
        agent: isTls ? this.#https : this.#http,
        headers: { ...headers, ...(body && { "content-length": String(body.sizeBytes) }) },
        // Of the socket, so that it counts while it connects, too.
        timeout: this.#silentMs,
        ...(this.#signal && { signal: this.#signal }),
      });
      let reply: IncomingMessage | undefined;
      const fail = (error: Error): void => {
        if (source && !(source instanceof Uint8Array)) source.destroy();
        reject(this.#signal?.aborted ? this.#signal.reason : error);
      };
      request.on("timeout", () => {
        const silence = new SilenceError(this.#silentMs);
        if (reply) reply.destroy(silence);
        else request.destroy(silence);
      });
      // An error after the reply is the reply's to tell.
      request.on("error", fail);
      request.on("response", (message) => {
        reply = message;
        // Whoever reads the body hears of errors; nobody reads those of a body that is not read.
        message.on("error", () => {});
        resolve(message);
      });
      if (source === undefined) request.end();
      else if (source instanceof Uint8Array) request.end(source);
      else {
        source.on("error", (error) => request.destroy(error));
        request.on("close", () => source.destroy());
        source.pipe(request);
      }
    });
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/** Is done with a reply: reads on what is little, so that the connection serves again, else ends it. */
export function dropReply(reply: IncomingMessage): void {
  const hasNoBody = reply.statusCode === 204 || reply.headers["content-length"] === "0";
  if (hasNoBody) reply.resume();
  else reply.destroy();
}

/**
 * Reads a small body whole.
 *
 * @throws {ImageError} WL_IMAGE_REGISTRY when it is larger than it may be; what the connection ended with
 */
export async function readBody(
  reply: IncomingMessage,
  { what, maxBytes, documentMs }: { what: string; maxBytes: number; documentMs: number },
): Promise<Buffer> {
  const tooLarge = (): Error =>
    registryError(
      `${what} is larger than ${maxBytes} bytes`,
      "Check the reference: this is no image that Windlass can use",
    );
  const deadline = setTimeout(() => reply.destroy(new SilenceError(documentMs)), documentMs);
  try {
    if (Number(reply.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(deadline);
    reply.destroy();
  }
}
