/**
 * Numbered assertions. A family is a script of calls with the answer that each is to have; its assertions
 * are numbered as they come ("symlink/08.14"), whether they are run, skipped or left out. So a number means
 * the same on every file system and for every user.
 */
import type { Calls } from "./calls.ts";
import { type Identity, withIdentity } from "./identity.ts";

export interface Family {
  /** "S5" (rules of POSIX and Linux), or the name of a file of pjdfstest, "symlink/08". */
  readonly id: string;
  readonly title: string;
  /** Where the expected answers come from. */
  readonly source: string;
  /** How many numbers the family has. */
  readonly count: number;
  run(script: Script): void;
}

export interface Verdict {
  readonly id: string;
  readonly verdict: "PASS" | "FAIL" | "SKIP";
  /** The assertion in one line. */
  readonly text: string;
  /** An error code, "0" for success, or the values asked for; alternatives with "|" between them. */
  readonly expected: string;
  /** What was answered, or why it was skipped. */
  readonly actual: string;
  readonly source: string;
}

export interface ScriptOptions {
  readonly calls: Calls;
  readonly report: (verdict: Verdict) => void;
  /** Waits until new time stamps of the file system differ from all before. */
  readonly tick: () => void;
  /** Why nothing is to be run: every assertion is reported as skipped. */
  readonly skip?: string | undefined;
  /** Changes expectations, to see that each of them is looked at. */
  readonly expectation?: ((expected: string) => string) | undefined;
}

type CallName = keyof Calls;
type Arguments<Name extends CallName> = Parameters<Calls[Name]>;

/** What is done with assertions just now. */
type Mode = { readonly kind: "run" } | { readonly kind: "skip"; readonly reason: string };

export class Script {
  readonly #options: ScriptOptions;
  #family: Family | undefined;
  #number = 0;
  #mode: Mode;

  constructor(options: ScriptOptions) {
    this.#options = options;
    this.#mode = startMode(options);
  }

  /** Runs a family to its end; one that cannot go on is a failed assertion of its own. */
  play(family: Family): void {
    this.#family = family;
    this.#number = 0;
    this.#mode = startMode(this.#options);
    const trouble = (actual: string): void => {
      const { title: text, source } = family;
      const id = `${family.id}.script`;
      this.#options.report({ id, verdict: "FAIL", text, expected: "runs", actual, source });
    };
    try {
      family.run(this);
    } catch (error) {
      trouble(`stopped after ${this.#number}: ${(error as Error).message}`);
      return;
    }
    if (this.#number !== family.count) trouble(`${this.#number} numbers, not ${family.count}`);
  }

  /** A call, and what it is to answer. */
  expect<Name extends CallName>(expected: string, name: Name, ...args: Arguments<Name>): void {
    this.#assert(callText(name, args), expected, () => this.#call(name, args));
  }

  /** The same as another user. */
  expectAs<Name extends CallName>(
    identity: Identity,
    expected: string,
    name: Name,
    ...args: Arguments<Name>
  ): void {
    const text = `as ${identity.uid}: ${callText(name, args)}`;
    this.#assert(text, expected, () => withIdentity(identity, () => this.#call(name, args)));
  }

  /** A call that says in words what it shows. */
  rule<Name extends CallName>(
    words: string,
    expected: string,
    name: Name,
    ...args: Arguments<Name>
  ): void {
    this.#assert(`${words}: ${callText(name, args)}`, expected, () => this.#call(name, args));
  }

  /** `rule` as somebody else. */
  ruleAs(identity: Identity) {
    return <Name extends CallName>(
      words: string,
      expected: string,
      name: Name,
      ...args: Arguments<Name>
    ): void => {
      const text = `${words}: as ${identity.uid}: ${callText(name, args)}`;
      this.#assert(text, expected, () => withIdentity(identity, () => this.#call(name, args)));
    };
  }

  /** Anything else that has an answer. */
  check(words: string, expected: string, answer: () => unknown): void {
    this.#assert(words, expected, answer);
  }

  /** What a call answers; nothing where it is not run. */
  value<Name extends CallName>(name: Name, ...args: Arguments<Name>): string {
    return this.#mode.kind === "run" ? outcome(() => this.#call(name, args)) : "";
  }

  /** Makes what assertions need. @throws {Error} when the call is refused */
  prepare<Name extends CallName>(name: Name, ...args: Arguments<Name>): void {
    const answer = this.value(name, ...args);
    if (/^E[A-Z0-9]+$/.test(answer)) throw new Error(`${callText(name, args)} = ${answer}`);
  }

  /** From here on, new time stamps differ from those before. */
  tick(): void {
    if (this.#mode.kind === "run") this.#options.tick();
  }

  /** These assertions are skipped when there is a reason to. */
  unless(reason: string | undefined, block: () => void): void {
    if (reason === undefined || this.#mode.kind !== "run") block();
    else this.#within({ kind: "skip", reason }, block);
  }

  /** The next numbers ask nothing about links: they are not run and not reported. */
  leaveOut(count: number): void {
    this.#number += count;
  }

  #within(mode: Mode, block: () => void): void {
    const before = this.#mode;
    this.#mode = mode;
    try {
      block();
    } finally {
      this.#mode = before;
    }
  }

  #call<Name extends CallName>(name: Name, args: Arguments<Name>): unknown {
    const call = this.#options.calls[name] as (...args: Arguments<Name>) => unknown;
    return call(...args);
  }

  #assert(text: string, expected: string, answer: () => unknown): void {
    this.#number += 1;
    const mode = this.#mode;
    const { report, expectation = (same) => same } = this.#options;
    const { id, source } = this.#family as Family;
    const facts = { id: `${id}.${this.#number}`, text, expected: expectation(expected), source };
    if (mode.kind === "skip") {
      report({ ...facts, verdict: "SKIP", actual: mode.reason });
      return;
    }
    const actual = outcome(answer);
    const isRight = facts.expected.split("|").includes(actual);
    report({ ...facts, verdict: isRight ? "PASS" : "FAIL", actual });
  }
}

function startMode({ skip }: ScriptOptions): Mode {
  return skip === undefined ? { kind: "run" } : { kind: "skip", reason: skip };
}

/** "0" for a call without an answer, its answer, or the code of its error. */
function outcome(action: () => unknown): string {
  try {
    const answer = action();
    return answer === undefined ? "0" : String(answer);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? `threw: ${message}`;
  }
}

/** Longer arguments are cut in texts. */
const SHOWN_CHARACTERS = 40;

function callText(name: string, args: readonly unknown[]): string {
  const words = args.map((argument) => {
    const text = Buffer.isBuffer(argument) ? `0x${argument.toString("hex")}` : String(argument);
    const shown = text.length > SHOWN_CHARACTERS ? `(${text.length} bytes)` : text;
    return shown === "" ? "''" : shown;
  });
  return [name, ...words].join(" ");
}
