/** Extended headers of pax (POSIX.1-2001, pax, "pax Extended Header"): "LENGTH KEY=VALUE\n", the length of all of it. */
import { quoted } from "../foreign-text.ts";
import { containerError } from "./container-error.ts";
import { decodeText } from "./tar-header.ts";

export interface ExtendedHeader {
  /** The last of each key. */
  readonly values: ReadonlyMap<string, Buffer>;
  /** GNU's first form of sparse files repeats these keys; in their order. */
  readonly sparse: readonly string[];
}

const REPEATED_KEYS = ["GNU.sparse.offset", "GNU.sparse.numbytes"];
/** No length of a header has more digits. */
const LENGTH_DIGITS_MAX = 10;

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID */
export function decodeExtendedHeader(bytes: Buffer): ExtendedHeader {
  const values = new Map<string, Buffer>();
  const sparse: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : bytes.toString("latin1", at, space);
    const length = Number(digits);
    const end = at + length;
    const isNumber = /^[0-9]+$/.test(digits) && digits.length <= LENGTH_DIGITS_MAX;
    if (!isNumber || end <= space + 1 || end > bytes.length || bytes[end - 1] !== 0x0a) {
      throw containerError("An extended header of the layer is malformed");
    }
    const equals = bytes.indexOf(0x3d, space + 1);
    if (equals <= space + 1 || equals >= end) {
      throw containerError("An extended header of the layer has a record without a key");
    }
    const key = decodeText(bytes.subarray(space + 1, equals));
    const value = bytes.subarray(equals + 1, end - 1);
    if (REPEATED_KEYS.includes(key)) sparse.push(decodeText(value));
    else values.set(key, value);
    at = end;
  }
  return { values, sparse };
}

/** A decimal value, 0 or more; seconds may have a fraction, which is dropped. */
export function extendedNumber(header: ExtendedHeader, key: string): number | undefined {
  const value = header.values.get(key);
  if (value === undefined) return undefined;
  const text = decodeText(value);
  const number = Number(/^-?[0-9]{1,16}(?=\.[0-9]*$|$)/.exec(text)?.[0]);
  if (Number.isSafeInteger(number)) return number;
  throw containerError(`An extended header says ${quoted(`${key}=${text}`)}, which is no number`);
}

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when it is not UTF-8 or holds a zero byte */
export function extendedText(header: ExtendedHeader, key: string): string | undefined {
  const value = header.values.get(key);
  if (value === undefined) return undefined;
  const text = decodeText(value);
  if (!text.includes("\0")) return text;
  throw containerError(`An extended header has a zero byte in ${quoted(key)}`);
}
