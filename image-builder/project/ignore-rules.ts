/**
 * gitignore's pattern language (gitignore(5)), as .windlassignore and `files` use it. The oracle is
 * `git check-ignore`; where git's documentation and git differ, git is followed. One difference is
 * kept: "?" and "[...]" match one character, not one byte of it.
 */

export interface IgnoreRule {
  /** The line as written. */
  readonly source: string;
  /** "!PATTERN": brings back what an earlier rule left out. */
  readonly negated: boolean;
  readonly directoryOnly: boolean;
  /** Matches the last name of a path; otherwise the whole path from the root of the rules. */
  readonly matchesName: boolean;
  readonly pattern: RegExp;
}

/** Reads an ignore file; lines that hold no pattern give no rule. */
export function parseIgnoreRules(text: string): IgnoreRule[] {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  return lines.flatMap((line) => parseIgnoreRule(line.replace(/\r$/, "")) ?? []);
}

/** @returns undefined for a blank line, a comment, or a pattern that can match nothing */
export function parseIgnoreRule(line: string): IgnoreRule | undefined {
  if (line.startsWith("#")) return undefined;
  let glob = withoutTrailingSpaces(line);
  const negated = glob.startsWith("!");
  if (negated) glob = glob.slice(1);
  const directoryOnly = glob.endsWith("/");
  if (directoryOnly) glob = glob.slice(0, -1);
  if (glob === "") return undefined;
  const matchesName = !glob.includes("/");
  const rooted = glob.startsWith("/") ? glob.slice(1) : glob;
  const source = globSource(rooted, !matchesName);
  if (source === undefined) return undefined;
  return {
    source: line,
    negated,
    directoryOnly,
    matchesName,
    pattern: new RegExp(`^${source}$`, "su"),
  };
}

/**
 * The verdict of the last rule that matches. A folder that is left out is not entered, so rules never
 * bring back what lies in it; that is the walker's part.
 *
 * @param path relative to the root of the rules, "/"-separated
 * @returns undefined when no rule matches
 */
export function ignoreVerdict(
  rules: readonly IgnoreRule[],
  path: string,
  isDirectory: boolean,
): "ignored" | "kept" | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  for (let index = rules.length - 1; index >= 0; index -= 1) {
    const rule = rules[index];
    if (!rule || (rule.directoryOnly && !isDirectory)) continue;
    if (rule.pattern.test(rule.matchesName ? name : path)) return rule.negated ? "kept" : "ignored";
  }
  return undefined;
}

/** A space at the end counts only behind a backslash. */
function withoutTrailingSpaces(line: string): string {
  let end = 0;
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === "\\") {
      at += 1;
      end = at + 1;
    } else if (line[at] !== " ") {
      end = at + 1;
    }
  }
  return line.slice(0, end);
}

/**
 * A glob as the source of a regular expression (flags s and u).
 *
 * @param isPath "*" stops at "/" and "**" between slashes crosses them
 * @returns undefined when the glob is broken; git lets such a glob match nothing
 */
function globSource(glob: string, isPath: boolean): string | undefined {
  const any = isPath ? "[^/]" : ".";
  const literalEnd = glob.search(/[*?[\\]/);
  let source = "";
  for (let at = 0; at < glob.length; ) {
    const char = String.fromCodePoint(glob.codePointAt(at) ?? 0);
    if (char === "\\") {
      const next = glob.codePointAt(at + 1);
      if (next === undefined) return undefined;
      const escaped = String.fromCodePoint(next);
      source += quote(escaped);
      at += 1 + escaped.length;
    } else if (char === "?") {
      source += any;
      at += 1;
    } else if (char === "*") {
      const start = at;
      while (glob[at] === "*") at += 1;
      // git compares the part before the first special character by itself, so a "**" that follows
      // it directly counts as one at the start.
      const opens = start === literalEnd || start === 0 || glob[start - 1] === "/";
      const rest = glob.slice(at);
      const closes = rest === "" || rest.startsWith("/") || rest.startsWith("\\/");
      if (!isPath || at - start === 1 || !opens || !closes) source += `${any}*`;
      else if (rest.startsWith("/")) {
        source += "(?:.*/)?";
        at += 1;
      } else source += ".*";
    } else if (char === "[") {
      const set = bracketSource(glob, at, isPath);
      if (!set) return undefined;
      source += set.source;
      at = set.end;
    } else {
      source += quote(char);
      at += char.length;
    }
  }
  return source;
}

const CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: " \\t",
  cntrl: "\\u0000-\\u001f\\u007f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: " \\t\\n\\v\\f\\r",
  upper: "A-Z",
  xdigit: "0-9A-Fa-f",
};

/** "[...]" from `start`. The first member may be "]"; "!" and "^" negate; "\" takes a character as is. */
function bracketSource(
  glob: string,
  start: number,
  isPath: boolean,
): { source: string; end: number } | undefined {
  let at = start + 1;
  const negated = glob[at] === "!" || glob[at] === "^";
  if (negated) at += 1;
  let members = "";
  let previous: string | undefined;
  const take = (): string | undefined => {
    if (glob[at] === "\\") at += 1;
    const code = glob.codePointAt(at);
    if (code === undefined) return undefined;
    const char = String.fromCodePoint(code);
    at += char.length;
    return char;
  };
  for (let first = true; first || glob[at] !== "]"; first = false) {
    if (at >= glob.length) return undefined;
    const follows = glob[at + 1];
    if (glob[at] === "-" && previous !== undefined && follows !== undefined && follows !== "]") {
      at += 1;
      const last = take();
      if (last === undefined) return undefined;
      if (previous <= last) members += `${quoteMember(previous)}-${quoteMember(last)}`;
      previous = undefined;
      continue;
    }
    if (glob[at] === "[" && follows === ":") {
      const close = glob.indexOf("]", at + 2);
      if (close < 0) return undefined;
      if (glob[close - 1] === ":" && close - 1 >= at + 2) {
        const set = CLASSES[glob.slice(at + 2, close - 1)];
        if (set === undefined) return undefined;
        members += set;
        at = close + 1;
        previous = undefined;
        continue;
      }
    }
    const char = take();
    if (char === undefined) return undefined;
    members += quoteMember(char);
    previous = char;
  }
  const slash = isPath ? "(?!/)" : "";
  const set = members === "" ? (negated ? "." : "(?!)") : `[${negated ? "^" : ""}${members}]`;
  return { source: slash + set, end: at + 1 };
}

/** Outside a set "-" may not be escaped, inside it must be. */
function quote(char: string): string {
  return /[$()*+./?[\\\]^{|}]/.test(char) ? `\\${char}` : char;
}

function quoteMember(char: string): string {
  return /[\\\]^[-]/.test(char) ? `\\${char}` : char;
}
