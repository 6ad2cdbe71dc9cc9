/** Tokens: the registry names a server that gives them, for a service and a scope (Docker's token protocol). */
import { quoted } from "../foreign-text.ts";
import type { Challenge } from "./challenge.ts";
import { type HttpExchanges, readBody } from "./http-exchange.ts";
import { connectionError, registryError } from "./registry-error.ts";

const TOKEN_BYTES_MAX = 256 * 1024;

export interface TokenRequest {
  readonly exchanges: HttpExchanges;
  readonly origin: URL;
  readonly host: string;
  readonly challenge: Extract<Challenge, { scheme: "bearer" }>;
  readonly scope: string;
  /** The user's password, as a header. */
  readonly authorization: string | undefined;
  readonly what: string;
}

/** @throws {ImageError} WL_IMAGE_REGISTRY */
export async function fetchToken(request: TokenRequest): Promise<string> {
  const { exchanges, host, authorization, what } = request;
  const url = tokenAddress(request);
  const { statusCode = 0, body } = await exchange(request, url, async () => {
    const headers = { ...(authorization !== undefined && { authorization }) };
    const reply = await exchanges.send({ method: "GET", url, headers });
    const { documentMs } = exchanges;
    const limits = { what: "A token", maxBytes: TOKEN_BYTES_MAX, documentMs };
    return { statusCode: reply.statusCode, body: await readBody(reply, limits) };
  });
  if (statusCode === 401 || statusCode === 403) {
    const who = authorization === undefined ? "without a password" : "for this user and password";
    throw registryError(
      `Cannot ${what}: ${quoted(url.host)} gives no token for registry "${host}" ${who}`,
      `Use "windlass login ${host}"`,
    );
  }
  const token = statusCode === 200 ? tokenOf(body.toString("utf8")) : undefined;
  if (token !== undefined) return token;
  throw registryError(
    `Cannot ${what}: ${quoted(url.host)} gives no token for registry "${host}" (status ${statusCode})`,
    "Try again later, or ask the registry's operator",
  );
}

/** A registry that is encrypted must not have the password sent in the clear. */
function tokenAddress({ challenge, origin, scope, host, what }: TokenRequest): URL {
  const { realm, service } = challenge;
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const isPlain = url?.protocol === "http:" && origin.protocol === "http:";
  if (!url || !(url.protocol === "https:" || isPlain)) {
    const message = `Cannot ${what}: registry "${host}" names a server of tokens that cannot be used`;
    throw registryError(message, "Tell the registry's operator");
  }
  if (service !== undefined) url.searchParams.set("service", service);
  for (const one of scope.split(" ").filter((word) => word !== "")) {
    url.searchParams.append("scope", one);
  }
  return url;
}

async function exchange<T>({ what }: TokenRequest, url: URL, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") throw error;
    throw connectionError(what, url.host, error);
  }
}

/** Visible ASCII only: it goes into a header. */
function tokenOf(text: string): string | undefined {
  try {
    const { token, access_token: second } = JSON.parse(text) as Record<string, unknown>;
    const found = token ?? second;
    return typeof found === "string" && /^[\x21-\x7e]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
