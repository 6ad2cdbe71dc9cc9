/** Errors of registries, worded in one place. */
import { ImageError } from "../errors.ts";
import { quoted, shown } from "../foreign-text.ts";

/** @param next what the operator can do, as one sentence without a full stop */
export function registryError(message: string, next: string, cause?: unknown): ImageError {
  return new ImageError("WL_IMAGE_REGISTRY", message, { next }, cause);
}

/** Nothing came, and nothing went, for a whole period of silence. */
export class SilenceError extends Error {
  override readonly name = "SilenceError";

  constructor(silentMs: number) {
    super(`it said nothing for ${silentMs / 1000} s`);
  }
}

const NETWORK = "Check the name, the port and the network, and that the registry runs";
const TRUST = "Have NODE_EXTRA_CA_CERTS name a file with the certificate of its authority";

/** What the network and TLS say of a connection, by Node's code. */
const REASONS: Readonly<Record<string, readonly [why: string, next: string]>> = {
  ECONNREFUSED: ["the connection is refused", NETWORK],
  ECONNRESET: ["it closed the connection", "Try again; what has arrived is kept"],
  EPIPE: ["it closed the connection", "Try again; what has arrived is kept"],
  ENOTFOUND: ["there is no host of that name", NETWORK],
  EAI_AGAIN: ["the name cannot be looked up now", NETWORK],
  EHOSTUNREACH: ["there is no way to that host", NETWORK],
  ENETUNREACH: ["there is no network", NETWORK],
  ETIMEDOUT: ["it does not answer", NETWORK],
  EPROTO: ["it does not speak TLS", "If it is to be used without encryption, add --plain-http"],
  DEPTH_ZERO_SELF_SIGNED_CERT: ["its certificate is signed by itself", TRUST],
  SELF_SIGNED_CERT_IN_CHAIN: ["its certificate's authority is not trusted", TRUST],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ["its certificate's authority is not known", TRUST],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ["its certificate's authority is not known", TRUST],
  CERT_HAS_EXPIRED: ["its certificate has expired", "Renew the registry's certificate"],
  ERR_TLS_CERT_ALTNAME_INVALID: ["its certificate is for another host", "Use the host's own name"],
};

/**
 * @param what "download a layer", for `Cannot WHAT: registry "HOST" ...`
 * @param cause what the connection ended with
 */
export function connectionError(what: string, host: string, cause: unknown): ImageError {
  if (cause instanceof ImageError) return cause;
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  const words = shown(cause instanceof Error ? cause.message : String(cause));
  const isNoHttp = code?.startsWith("HPE_") === true;
  const silence: readonly [string, string] = [words, "Try again; what has arrived is kept"];
  const [why, next] = isNoHttp
    ? [`what it sends is no HTTP (${words})`, NETWORK]
    : cause instanceof SilenceError
      ? silence
      : (REASONS[code ?? ""] ?? [words, NETWORK]);
  return registryError(`Cannot ${what}: registry ${quoted(host)}: ${why}`, next, cause);
}
