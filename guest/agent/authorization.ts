/**
 * Bearer tokens. The agent knows only their SHA-256, so that reading the agent's memory of its
 * configuration gives no token away.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Role } from "../api/instance-document.ts";

export interface TokenDigest {
  readonly role: Role;
  /** 64 hexadecimal digits: SHA-256 of the bearer token. */
  readonly sha256: string;
}

/** Accepted Authorization headers remembered, so that a busy client is not hashed each time. */
const REMEMBERED_MAX = 16;
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;

/** Where the tokens are; a machine that becomes a clone gets others. */
export interface TokenSource {
  readonly tokens: readonly TokenDigest[];
}

export class Authorization {
  readonly #source: TokenSource;
  #known: readonly TokenDigest[];
  #tokens: readonly { role: Role; digest: Buffer }[];
  /**
   * Headers that were accepted. A lookup compares bytes only after V8's seeded hash of the whole
   * header agrees, so its timing does not lead towards a token byte by byte.
   */
  readonly #remembered = new Map<string, Role>();

  constructor(source: TokenSource) {
    this.#source = source;
    this.#known = source.tokens;
    this.#tokens = digestsOf(source.tokens);
  }

  /** The role that the header's token has; `undefined` without a known token. */
  roleOf(header: string | undefined): Role | undefined {
    if (header === undefined) return undefined;
    if (this.#source.tokens !== this.#known) this.#learn();
    const known = this.#remembered.get(header);
    if (known !== undefined) return known;
    const token = BEARER.exec(header)?.[1];
    if (token === undefined) return undefined;
    const digest = createHash("sha256").update(token).digest();
    let role: Role | undefined;
    // Every digest is compared, whichever matches, so that the time says nothing.
    for (const candidate of this.#tokens) {
      if (timingSafeEqual(candidate.digest, digest) && role !== "admin") role = candidate.role;
    }
    if (role !== undefined) this.#remember(header, role);
    return role;
  }

  #learn(): void {
    this.#known = this.#source.tokens;
    this.#tokens = digestsOf(this.#known);
    this.#remembered.clear();
  }

  #remember(header: string, role: Role): void {
    if (this.#remembered.size >= REMEMBERED_MAX) {
      const oldest = this.#remembered.keys().next().value;
      if (oldest !== undefined) this.#remembered.delete(oldest);
    }
    this.#remembered.set(header, role);
  }
}

/** Whether the role may call an operation that asks for `needed`. */
export function allows(role: Role, needed: Role): boolean {
  return role === "admin" || needed === "monitor";
}

function digestsOf(tokens: readonly TokenDigest[]): { role: Role; digest: Buffer }[] {
  return tokens.map(({ role, sha256 }) => {
    const digest = Buffer.from(sha256, "hex");
    if (digest.length !== 32) throw new TypeError("a token digest is not 64 hexadecimal digits");
    return { role, digest };
  });
}
