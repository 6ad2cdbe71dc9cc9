/**
 * TOML 1.0 as project files of other languages have it (pyproject.toml, Cargo.toml): tables, arrays of tables,
 * strings of all four kinds, arrays and inline tables. Numbers, dates and booleans are kept as the text they are
 * written as, because nobody here calculates with them. Repeated keys are not refused: the last one counts.
 */

export type TomlValue = string | TomlValue[] | TomlTable;
/** Without a prototype: a key may be any text. */
export interface TomlTable {
  [key: string]: TomlValue;
}

const DEPTH_MAX = 64;
const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  '"': '"',
  "\\": "\\",
};

/** @throws {SyntaxError} that names the line */
export function parseToml(text: string): TomlTable {
  return new TomlReader(text.replaceAll("\r\n", "\n")).document();
}

class TomlReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): TomlTable {
    const root = newTable();
    let table = root;
    for (;;) {
      this.#skip(/[ \t\n]*(?:#[^\n]*|\n|[ \t])*/y);
      if (this.#at >= this.#text.length) return root;
      if (this.#take("[[")) {
        table = this.#appended(root, this.#key());
        if (!this.#take("]]")) throw this.#error('"]]" is missing');
      } else if (this.#take("[")) {
        table = this.#inner(root, this.#key());
        if (!this.#take("]")) throw this.#error('"]" is missing');
      } else {
        this.#pair(table, 0);
      }
      this.#skip(/[ \t]*(?:#[^\n]*)?/y);
      if (this.#at < this.#text.length && !this.#take("\n")) throw this.#error("the line goes on");
    }
  }

  #pair(table: TomlTable, depth: number): void {
    const key = this.#key();
    if (!this.#take("=")) throw this.#error('"=" is missing');
    this.#skip(/[ \t]*/y);
    const value = this.#value(depth);
    this.#inner(table, key.slice(0, -1))[key.at(-1) ?? ""] = value;
  }

  #key(): string[] {
    const parts: string[] = [];
    do {
      this.#skip(/[ \t]*/y);
      const bare = this.#skip(/[A-Za-z0-9_-]+/y);
      parts.push(bare === "" ? this.#string() : bare);
      this.#skip(/[ \t]*/y);
    } while (this.#take("."));
    if (parts.length > DEPTH_MAX) throw this.#error("this key has too many parts");
    return parts;
  }

  #value(depth: number): TomlValue {
    if (depth > DEPTH_MAX) throw this.#error("this is nested too deeply");
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#string();
    if (this.#take("[")) return this.#array(depth);
    if (this.#take("{")) return this.#inlineTable(depth);
    const scalar = this.#skip(/[A-Za-z0-9+._:-]+(?: [0-9]{2}:[0-9:.Z+-]+)?/y);
    if (scalar === "") throw this.#error("a value is missing");
    return scalar;
  }

  #array(depth: number): TomlValue[] {
    const items: TomlValue[] = [];
    const space = /(?:[ \t\n]|#[^\n]*)*/y;
    for (;;) {
      this.#skip(space);
      if (this.#take("]")) return items;
      items.push(this.#value(depth + 1));
      this.#skip(space);
      if (this.#take(",")) continue;
      if (this.#take("]")) return items;
      throw this.#error('"]" is missing');
    }
  }

  #inlineTable(depth: number): TomlTable {
    const table = newTable();
    this.#skip(/[ \t]*/y);
    if (this.#take("}")) return table;
    do {
      this.#skip(/[ \t]*/y);
      this.#pair(table, depth + 1);
      this.#skip(/[ \t]*/y);
    } while (this.#take(","));
    if (!this.#take("}")) throw this.#error('"}" is missing');
    return table;
  }

  #string(): string {
    for (const quote of ['"""', "'''"]) {
      if (!this.#take(quote)) continue;
      this.#take("\n");
      return this.#until(quote, quote === '"""').replaceAll(/\\[ \t]*\n\s*/g, "");
    }
    for (const quote of ['"', "'"]) {
      if (!this.#take(quote)) continue;
      return this.#until(quote, quote === '"');
    }
    throw this.#error("a key or a value is missing");
  }

  #until(quote: string, hasEscapes: boolean): string {
    let text = "";
    for (; this.#at < this.#text.length; this.#at += 1) {
      const char = this.#text.charAt(this.#at);
      if (this.#take(quote)) return text;
      if (quote.length === 1 && char === "\n") break;
      text += char === "\\" && hasEscapes ? this.#escape() : char;
    }
    throw this.#error("a string stays open");
  }

  /** Leaves off at the last character of the escape. */
  #escape(): string {
    const code = /\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/y;
    code.lastIndex = this.#at;
    const [whole = "", short, long] = code.exec(this.#text) ?? [];
    if (whole !== "") {
      this.#at += whole.length - 1;
      const point = Number.parseInt(short ?? long ?? "", 16);
      if (point > 0x10ffff) throw this.#error("there is no such character");
      return String.fromCodePoint(point);
    }
    const name = this.#text.charAt(this.#at + 1);
    const value = ESCAPES[name];
    // A line that goes on; its break is removed with what follows.
    if (value === undefined && !/[ \t\n]/.test(name)) throw this.#error("this escape is unknown");
    if (value === undefined) return "\\";
    this.#at += 1;
    return value;
  }

  /** The table at these keys, made where it is missing. */
  #inner(table: TomlTable, keys: readonly string[]): TomlTable {
    let inner = table;
    for (const key of keys) {
      const value = inner[key] ?? newTable();
      const next = Array.isArray(value) ? value.at(-1) : value;
      if (typeof next !== "object" || Array.isArray(next)) {
        throw this.#error(`${JSON.stringify(key)} is no table`);
      }
      if (inner[key] === undefined) inner[key] = next;
      inner = next;
    }
    return inner;
  }

  #appended(root: TomlTable, keys: readonly string[]): TomlTable {
    const parent = this.#inner(root, keys.slice(0, -1));
    const key = keys.at(-1) ?? "";
    const list = parent[key] ?? [];
    if (!Array.isArray(list)) throw this.#error(`${JSON.stringify(key)} has a value already`);
    const table = newTable();
    list.push(table);
    parent[key] = list;
    return table;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #error(why: string): SyntaxError {
    return new SyntaxError(`line ${this.#text.slice(0, this.#at).split("\n").length}: ${why}`);
  }
}

function newTable(): TomlTable {
  return Object.create(null) as TomlTable;
}
