/**
 * Strict JSON (RFC 8259) with positions. `JSON.parse` gives the value; this scanner is only walked
 * when something is wrong, to say where.
 */

/** Where a text stops being JSON. `offset` counts UTF-16 units from 0. */
interface JsonFault {
  readonly offset: number;
  readonly expected: string;
}

export interface JsonScan {
  readonly fault?: JsonFault;
  /** JSON.stringify(path) -> offsets of the value, and of the key when it is a member. */
  readonly places: ReadonlyMap<string, { readonly value: number; readonly key?: number }>;
}

interface Frame {
  readonly kind: "object" | "array";
  readonly path: readonly (string | number)[];
  index: number;
}

const number = /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const word = /true|false|null/y;

/** Walks `text` without recursion, so depth costs memory only. */
export function scanJson(text: string): JsonScan {
  const places = new Map<string, { value: number; key?: number }>();
  const frames: Frame[] = [];
  let at = 0;
  const fault = (expected: string, offset = at): JsonScan => ({
    places,
    fault: { offset, expected },
  });
  const blank = (): void => {
    while (at < text.length && " \t\n\r".includes(text.charAt(at))) at += 1;
  };
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };

  let path: readonly (string | number)[] = [];
  let keyAt: number | undefined;
  for (;;) {
    // A value starts here.
    blank();
    places.set(
      JSON.stringify(path),
      keyAt === undefined ? { value: at } : { value: at, key: keyAt },
    );
    keyAt = undefined;
    const opening = text.charAt(at);
    let frame: Frame | undefined;
    if (opening === "{" || opening === "[") {
      at += 1;
      frame = { kind: opening === "{" ? "object" : "array", path, index: 0 };
      frames.push(frame);
      blank();
    } else if (take(string) === undefined && take(number) === undefined && !take(word)) {
      return fault(opening === '"' ? "a complete string" : "a value");
    }
    // Either the first member of a new container, or what follows a finished value.
    let fresh = frame !== undefined;
    for (;;) {
      const open = frames.at(-1);
      blank();
      if (!open) return at === text.length ? { places } : fault("the end of the file");
      const closing = open.kind === "object" ? "}" : "]";
      if (text.charAt(at) === closing) {
        at += 1;
        frames.pop();
        fresh = false;
        continue;
      }
      if (!fresh) {
        if (text.charAt(at) !== ",") return fault(`"," or "${closing}"`);
        at += 1;
        blank();
      }
      if (open.kind === "array") {
        path = [...open.path, open.index];
      } else {
        keyAt = at;
        const key = take(string);
        if (key === undefined) return fault(fresh ? 'a quoted key or "}"' : "a quoted key");
        path = [...open.path, JSON.parse(key) as string];
        blank();
        if (text.charAt(at) !== ":") return fault('":"');
        at += 1;
      }
      open.index += 1;
      break;
    }
  }
}
