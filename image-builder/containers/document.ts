/** JSON documents of container images: bounded, and checked field by field. */
import { quoted, shown } from "../foreign-text.ts";
import { containerError } from "./container-error.ts";
import type { Digest } from "./layer-stream.ts";

/** Of an index, a manifest or a configuration; registries take no larger manifest. */
export const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;
const LIST_LENGTH_MAX = 10_000;

export type Fields = Readonly<Record<string, unknown>>;

/**
 * A JSON object and where it comes from; a field that is null is one that is absent, as Go writes it.
 * Its methods throw ImageError WL_IMAGE_CONTAINER_INVALID when a field is of another kind. No text holds a zero
 * byte: Linux can name nothing with one.
 */
export class Document {
  readonly title: string;
  readonly fields: Fields;

  constructor(title: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw containerError(`${title} is no JSON object`);
    }
    this.title = title;
    this.fields = value as Fields;
  }

  /** @param title for messages: "index.json" */
  static parse(title: string, bytes: Uint8Array): Document {
    return new Document(title, parseJson(title, bytes));
  }

  has(key: string): boolean {
    return Object.hasOwn(this.fields, key) && this.fields[key] !== null;
  }

  text(key: string): string | undefined {
    const text = this.#field(key, "string") as string | undefined;
    return text === undefined ? undefined : this.#checkedText(key, text);
  }

  requiredText(key: string): string {
    return this.text(key) ?? this.#missing(key);
  }

  /** A whole number, 0 or more. */
  size(key: string): number | undefined {
    const value = this.#field(key, "number") as number | undefined;
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value;
    throw containerError(`${quoted(key)} of ${this.title} is ${value}, not a whole number`);
  }

  requiredSize(key: string): number {
    return this.size(key) ?? this.#missing(key);
  }

  document(key: string): Document | undefined {
    if (!this.has(key)) return undefined;
    return new Document(`${quoted(key)} of ${this.title}`, this.fields[key]);
  }

  documents(key: string): Document[] {
    const title = `An item of ${quoted(key)} of ${this.title}`;
    return this.#list(key).map((item) => new Document(title, item));
  }

  texts(key: string): string[] {
    return this.#list(key).map((item) => {
      if (typeof item === "string") return this.#checkedText(key, item);
      throw containerError(`${quoted(key)} of ${this.title} holds something that is no string`);
    });
  }

  /** The keys of an object, which is how Go writes a set; as many as a list may have items. */
  names(key: string): string[] {
    const names = Object.keys(this.document(key)?.fields ?? {});
    if (names.length > LIST_LENGTH_MAX) {
      throw containerError(
        `${quoted(key)} of ${this.title} has ${names.length} names, more than ${LIST_LENGTH_MAX}`,
      );
    }
    return names.map((name) => this.#checkedText(key, name));
  }

  digest(key: string): Digest {
    return parseDigest(this.requiredText(key), this.title);
  }

  #list(key: string): readonly unknown[] {
    if (!this.has(key)) return [];
    const value = this.fields[key];
    if (Array.isArray(value) && value.length <= LIST_LENGTH_MAX) return value;
    const why = Array.isArray(value)
      ? `has ${value.length} items, more than ${LIST_LENGTH_MAX}`
      : "is no list";
    throw containerError(`${quoted(key)} of ${this.title} ${why}`);
  }

  #field(key: string, type: "string" | "number"): unknown {
    if (!this.has(key)) return undefined;
    const value = this.fields[key];
    if (typeof value === type) return value;
    throw containerError(`${quoted(key)} of ${this.title} is no ${type}`);
  }

  #checkedText(key: string, text: string): string {
    if (!text.includes("\0")) return text;
    throw containerError(`${quoted(key)} of ${this.title} holds a zero byte`);
  }

  #missing(key: string): never {
    throw containerError(`${this.title} has no ${quoted(key)}`);
  }
}

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID */
export function parseJson(title: string, bytes: Uint8Array): unknown {
  if (bytes.length > DOCUMENT_BYTES_MAX) {
    throw containerError(`${title} has ${bytes.length} bytes, more than is read`);
  }
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw containerError(`${title} is no JSON: ${shown((cause as Error).message)}`, { cause });
  }
}

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID for one of another form or algorithm */
export function parseDigest(text: string, title: string): Digest {
  if (/^sha256:[0-9a-f]{64}$/.test(text) || /^sha512:[0-9a-f]{128}$/.test(text)) {
    return text as Digest;
  }
  throw containerError(`${title} has the digest ${quoted(text)}, which Windlass does not know`);
}
