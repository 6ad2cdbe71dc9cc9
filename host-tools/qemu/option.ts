/**
 * The two kinds of words on QEMU's command line. Option strings ("driver=file,filename=...") split at
 * commas, and a comma inside a value is written twice (qemu(1), "Option syntax"; util/keyval.c).
 * Plain words (-kernel, -append, -pidfile) are taken as they are. Both refuse what QEMU or its logs
 * would misread, before anything starts.
 */
import { isAbsolute } from "node:path";
import { HostError } from "../errors.ts";

/** Bytes of a path on Linux without the closing zero (PATH_MAX of linux/limits.h is 4096). */
const PATH_LIMIT_BYTES = 4095;
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;
/** Half a surrogate pair: it has no UTF-8, so QEMU would get another text than was asked for. */
const LONE_SURROGATE = /\p{Surrogate}/u;

type OptionValue = string | number | readonly string[] | undefined;

/**
 * An option string. A list repeats its key, a value that is undefined is left out. The implied first
 * key ("driver", "type", ...) is always written out, so that no value is mistaken for it.
 */
export function optionString(members: Readonly<Record<string, OptionValue>>): string {
  return Object.entries(members)
    .flatMap(([key, value]) => {
      const values = value === undefined ? [] : [value].flat();
      return values.map((single) => `${key}=${String(single).replaceAll(",", ",,")}`);
    })
    .join(",");
}

/**
 * Text that may appear on a command line.
 *
 * @throws {HostError} WL_QEMU_FAILED when it is empty or holds a control character or half a
 *   surrogate pair, naming `what`
 */
export function checkedText(what: string, text: string): string {
  if (text === "" || CONTROL_CHARACTER.test(text) || LONE_SURROGATE.test(text)) {
    throw refused(what, text, "it is empty or holds a control character");
  }
  return text;
}

/**
 * A path for QEMU: absolute, because QEMU does not run in the caller's folder.
 *
 * @throws {HostError} WL_QEMU_FAILED
 */
export function checkedPath(what: string, path: string, limitBytes = PATH_LIMIT_BYTES): string {
  checkedText(what, path);
  if (!isAbsolute(path)) throw refused(what, path, "it is not absolute");
  if (Buffer.byteLength(path) > limitBytes) {
    throw refused(what, path, `it is longer than ${limitBytes} bytes`);
  }
  return path;
}

/** @throws {HostError} WL_QEMU_FAILED when `value` does not match `pattern` */
export function checkedWord(what: string, value: string, pattern: RegExp): string {
  if (!pattern.test(value)) throw refused(what, value, `it does not match ${pattern.source}`);
  return value;
}

/** @throws {HostError} WL_QEMU_FAILED when `value` is no integer in the range */
export function checkedInteger(what: string, value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw refused(what, String(value), `it is not an integer from ${least} to ${most}`);
  }
  return value;
}

/** @throws {HostError} WL_QEMU_FAILED when a value occurs twice */
export function checkedUnique(what: string, values: readonly string[]): void {
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) throw refused(what, twice, "it is given twice");
}

export function refused(what: string, value: string, why: string): HostError {
  return new HostError("WL_QEMU_FAILED", `Cannot use ${JSON.stringify(value)} as ${what}: ${why}`, {
    next: `Choose another ${what}`,
  });
}
