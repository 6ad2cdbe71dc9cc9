/**
 * One repository's registry, spoken to as the OCI distribution specification 1.1 says: finds out whether it
 * speaks TLS, answers its challenges, follows its redirects.
 *
 * A password goes to the registry itself, and to the server of tokens that it names; a token to the registry
 * alone. Neither follows a redirect to another host.
 */
import type { IncomingMessage } from "node:http";
import type { ImageError } from "../errors.ts";
import { quoted, shown } from "../foreign-text.ts";
import { WINDLASS_VERSION } from "../version.ts";
import { type Challenge, knownChallenge } from "./challenge.ts";
import { type Credentials, type FoundCredentials, findCredentials } from "./credentials.ts";
import { HttpExchanges, type HttpRequest, readBody } from "./http-exchange.ts";
import { apiHost, isLoopback } from "./reference.ts";
import { connectionError, registryError } from "./registry-error.ts";
import { fetchToken } from "./token.ts";

export interface RegistryOptions {
  /** Speak HTTP without TLS, also beyond loopback. */
  readonly plainHttp?: boolean | undefined;
  /** In place of those that are kept. */
  readonly credentials?: Credentials | undefined;
  /** Whose files of passwords; default: process.env. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** A connection on which nothing moves for so long is given up; default 30 s. */
  readonly silentMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RegistryRequest extends Omit<HttpRequest, "url"> {
  /** Path below /v2/, or an address that the registry gave. */
  readonly target: string | URL;
  /** "download a layer", for `Cannot WHAT: registry ...`. */
  readonly what: string;
  /** What to do when the registry refuses the user (401, 403); default: be another one. */
  readonly nextWhenRefused?: string;
  /** Statuses that are answers; every other becomes an error. */
  readonly expected: readonly number[];
}

const REDIRECTS_MAX = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Of an error's body. */
const ERROR_BYTES_MAX = 64 * 1024;
const ERROR_LENGTH_MAX = 300;
/** A registry on loopback that does not speak TLS ends the handshake like this. */
const NO_TLS = ["EPROTO", "ECONNRESET", "ERR_SSL_WRONG_VERSION_NUMBER"];

export class RegistryClient implements Disposable {
  readonly host: string;
  readonly exchanges: HttpExchanges;
  readonly #options: RegistryOptions;
  #scope: string;
  #origin: Promise<URL> | undefined;
  #found: Promise<FoundCredentials> | undefined;
  /** What the registry was last answered with. */
  #authorization: string | undefined;

  /** @param scope what tokens are to allow: "repository:NAME:pull"; "" for none */
  constructor(host: string, scope: string, options: RegistryOptions = {}) {
    this.host = host;
    this.#scope = scope;
    this.#options = options;
    const { silentMs, signal } = options;
    this.exchanges = new HttpExchanges({ signal, ...(silentMs !== undefined && { silentMs }) });
  }

  /**
   * @returns a reply of an expected status, whose body must be read or destroyed
   * @throws {ImageError} WL_IMAGE_REGISTRY; or the signal's reason
   */
  async request(request: RegistryRequest): Promise<IncomingMessage> {
    const origin = await this.origin(request.what);
    const { target } = request;
    const url = target instanceof URL ? target : new URL(target, new URL("/v2/", origin));
    this.#refuseDowngrade(url, origin);
    let reply = await this.#send(request, url);
    if (reply.statusCode === 401 && url.origin === origin.origin) {
      reply.destroy();
      this.#authorization = await this.#answer(reply, request.what);
      reply = await this.#send(request, url);
    }
    if (request.method === "GET" || request.method === "HEAD") {
      reply = await this.#followRedirects(request, reply, url);
    }
    if (request.expected.includes(reply.statusCode ?? 0)) return reply;
    throw await this.#refusal(request, reply);
  }

  /** Whether the registry wanted to know who we are. */
  get wasChallenged(): boolean {
    return this.#found !== undefined;
  }

  /** Lets the next token allow more, as far as its server agrees. @param scope "repository:NAME:pull" */
  widenScope(scope: string): void {
    if (` ${this.#scope} `.includes(` ${scope} `)) return;
    this.#scope = `${this.#scope} ${scope}`;
    if (this.#authorization?.startsWith("Bearer ")) this.#authorization = undefined;
  }

  /** Reads a small reply. @throws {ImageError} WL_IMAGE_REGISTRY */
  async body(reply: IncomingMessage, what: string, maxBytes: number): Promise<Buffer> {
    const name = `What registry "${this.host}" sends`;
    const { documentMs } = this.exchanges;
    return await this.#orConnectionError(
      what,
      readBody(reply, { what: name, maxBytes, documentMs }),
    );
  }

  /** Scheme and host of the registry. Loopback is asked with TLS first, and without where it has none. */
  origin(what: string): Promise<URL> {
    this.#origin ??= this.#findOrigin(what);
    return this.#origin;
  }

  async #findOrigin(what: string): Promise<URL> {
    const plain = new URL(`http://${apiHost(this.host)}`);
    const secure = new URL(`https://${apiHost(this.host)}`);
    if (this.#options.plainHttp) return plain;
    if (!isLoopback(this.host)) return secure;
    try {
      const probe = await this.exchanges.send({ method: "GET", url: new URL("/v2/", secure) });
      probe.destroy();
      return secure;
    } catch (error) {
      if (NO_TLS.includes((error as NodeJS.ErrnoException).code ?? "")) return plain;
      this.#options.signal?.throwIfAborted();
      throw connectionError(what, this.host, error);
    }
  }

  async #send({ method, headers, body, what }: RegistryRequest, url: URL) {
    const isOwn = url.origin === (await this.origin(what)).origin;
    const authorization = isOwn ? this.#authorization : undefined;
    const all = {
      "user-agent": `windlass/${WINDLASS_VERSION}`,
      ...headers,
      ...(authorization !== undefined && { authorization }),
    };
    return await this.#orConnectionError(
      what,
      this.exchanges.send({ method, url, headers: all, body }),
    );
  }

  async #followRedirects(request: RegistryRequest, first: IncomingMessage, from: URL) {
    let reply = first;
    let url = from;
    for (let count = 0; REDIRECTS.includes(reply.statusCode ?? 0); count += 1) {
      reply.destroy();
      const location = reply.headers.location ?? "";
      if (count === REDIRECTS_MAX || !URL.canParse(location, url.href)) {
        const why = count === REDIRECTS_MAX ? "redirects in a loop" : "redirects to no address";
        throw registryError(
          `Cannot ${request.what}: registry "${this.host}" ${why}`,
          "Tell the registry's operator",
        );
      }
      const next = new URL(location, url);
      this.#refuseDowngrade(next, url);
      url = next;
      reply = await this.#send(request, url);
    }
    return reply;
  }

  /** An encrypted registry must not send us on without encryption; only HTTP is spoken at all. */
  #refuseDowngrade(to: URL, from: URL): void {
    const isHttp = to.protocol === "https:" || to.protocol === "http:";
    const isDowngrade = to.protocol === "http:" && from.protocol === "https:";
    if (isHttp && !isDowngrade) return;
    throw registryError(
      `Registry "${this.host}" sends us to ${quoted(to.origin)}, which is not encrypted`,
      "Tell the registry's operator",
    );
  }

  /** What to send with the next attempt, after a 401. */
  async #answer(reply: IncomingMessage, what: string): Promise<string> {
    const challenge = knownChallenge(reply.headers["www-authenticate"]);
    this.#found ??= this.#options.credentials
      ? Promise.resolve({ credentials: this.#options.credentials })
      : findCredentials(this.host, this.#options.environment);
    const found = await this.#found;
    if (challenge?.scheme === "basic" && found.credentials) return basic(found.credentials);
    if (challenge?.scheme !== "bearer") throw this.#notLoggedIn(what, found, challenge);
    const token = await fetchToken({
      exchanges: this.exchanges,
      origin: await this.origin(what),
      host: this.host,
      challenge,
      scope: this.#scope === "" ? (challenge.scope ?? "") : this.#scope,
      authorization: found.credentials && basic(found.credentials),
      what,
    });
    return `Bearer ${token}`;
  }

  #notLoggedIn(
    what: string,
    { credentials, helper }: FoundCredentials,
    challenge: Challenge | undefined,
  ): ImageError {
    const login = `Use "windlass login ${this.host}"`;
    if (challenge === undefined) {
      const message = `Cannot ${what}: registry "${this.host}" asks for what Windlass cannot give`;
      return registryError(message, "Use a registry that takes passwords or tokens");
    }
    if (helper !== undefined && !credentials) {
      const kept = `Docker keeps its password in "${helper}", which Windlass does not ask`;
      return registryError(
        `Cannot ${what}: registry "${this.host}" wants a password; ${kept}`,
        login,
      );
    }
    const message = `Cannot ${what}: registry "${this.host}" wants a password, and there is none`;
    return registryError(message, login);
  }

  async #refusal(
    { what, nextWhenRefused }: RegistryRequest,
    reply: IncomingMessage,
  ): Promise<ImageError> {
    const status = reply.statusCode ?? 0;
    const { documentMs } = this.exchanges;
    const bytes = await readBody(reply, {
      ...{ what: "An error", maxBytes: ERROR_BYTES_MAX, documentMs },
    }).catch(() => Buffer.alloc(0));
    const words = firstError(bytes.toString("utf8"));
    const said = words === "" ? "" : ` (${words})`;
    return registryError(
      `Cannot ${what}: registry "${this.host}" answers ${status}${said}`,
      (isRefusal(status) ? nextWhenRefused : undefined) ??
        nextStep(status, this.host, reply.headers["retry-after"]),
    );
  }

  async #orConnectionError<T>(what: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw connectionError(what, this.host, error);
    }
  }

  [Symbol.dispose](): void {
    this.exchanges[Symbol.dispose]();
  }
}

function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
}

/** `{"errors": [{"code", "message"}]}`, as the specification has it; bounded, "" for anything else. */
function firstError(text: string): string {
  try {
    const [first] = (JSON.parse(text) as { errors: { code?: unknown; message?: unknown }[] })
      .errors;
    const words = [first?.code, first?.message].filter((word) => typeof word === "string");
    return shown(words.join(": "), ERROR_LENGTH_MAX);
  } catch {
    return "";
  }
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

function nextStep(status: number, host: string, retryAfter: string | undefined): string {
  if (isRefusal(status)) {
    return `Check that your user may do that; "windlass login ${host}" changes the user`;
  }
  if (status === 404) return "Check the name and the tag";
  if (status === 429)
    return `Wait ${/^\d{1,6}$/.test(retryAfter ?? "") ? `${retryAfter} s` : "a while"}, then try again`;
  if (status >= 500) return "Try again later, or ask the registry's operator";
  return "Check the reference";
}
