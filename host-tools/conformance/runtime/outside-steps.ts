/** What is looked at from outside: exit status, the signal of an end, output, the clock. */
import { endText } from "../outcome-text.ts";
import type { Step } from "../suite.ts";
import type { Outcome } from "../target.ts";
import type { CaseVerdict } from "../verdict.ts";

const OUTPUT_BYTES = 1024 * 1024;
const ERROR_TEXT = "to standard error\n";
const CLOCK_TOLERANCE_MS = 5000;

/** @param program what a program is called with up to its own arguments */
export function outsideSteps(
  program: (place: string) => readonly string[],
  env: NonNullable<Step["env"]>,
): Step[] {
  const step = (words: readonly string[], judge: (outcome: Outcome) => CaseVerdict[]): Step => {
    const cases = judge(NOTHING).map(({ id }) => id);
    const judgeWanted = (outcome: Outcome, wanted: readonly string[]): CaseVerdict[] =>
      judge(outcome).filter(({ id }) => wanted.includes(id));
    return { cases, env, argv: (place) => [...program(place), ...words], judge: judgeWanted };
  };
  return [
    step(["exit", "0"], (outcome) => [exitVerdict("exit.code.0", 0, outcome), wallClock(outcome)]),
    step(["exit", "7"], (outcome) => [exitVerdict("exit.code.7", 7, outcome)]),
    step(["exit", "255"], (outcome) => [exitVerdict("exit.code.255", 255, outcome)]),
    step(["exit", "256"], (outcome) => [exitVerdict("exit.code.256", 0, outcome)]),
    step(["abort"], (outcome) => [abortVerdict(outcome)]),
    step(["output"], (outcome) => [bigOutput(outcome), errorOutput(outcome)]),
  ];
}

/** For the names of a step's cases. */
const NOTHING: Outcome = {
  ...{ exitCode: null, signal: null, timedOut: false, startedAtMs: 0, endedAtMs: 0 },
  ...{ stdout: Buffer.of(), stderr: Buffer.of(), stdoutSizeBytes: 0, stderrSizeBytes: 0 },
};

function verdictOf(id: string, isRight: boolean, detail: string): CaseVerdict {
  return { id, verdict: isRight ? "pass" : "fail", detail: isRight ? "" : detail };
}

function exitVerdict(id: string, status: number, outcome: Outcome): CaseVerdict {
  return verdictOf(id, outcome.exitCode === status, `the program ${endText(outcome)}`);
}

function abortVerdict(outcome: Outcome): CaseVerdict {
  // A program without such a call says so: "SKIP why".
  const [, why] = /^SKIP (.*)$/m.exec(outcome.stdout.toString("utf8").slice(0, 1000)) ?? [];
  if (why !== undefined) return { id: "exit.signal", verdict: "skip", detail: why };
  const detail = `the program ${endText(outcome)}`;
  return verdictOf("exit.signal", outcome.signal === "SIGABRT", detail);
}

function wallClock({ stdout, startedAtMs, endedAtMs }: Outcome): CaseVerdict {
  const [, text = "NaN"] = /^NOW (\d{1,16})$/m.exec(stdout.toString("utf8")) ?? [];
  const now = Number(text);
  const isNear = now >= startedAtMs - CLOCK_TOLERANCE_MS && now <= endedAtMs + CLOCK_TOLERANCE_MS;
  const detail = `it says ${now}; the host ${startedAtMs} to ${endedAtMs}`;
  return verdictOf("time.wall", isNear, detail);
}

function bigOutput({ stdout, stdoutSizeBytes }: Outcome): CaseVerdict {
  const alphabet = "abcdefghijklmnopqrstuvwxyz";
  const meant = alphabet.repeat(Math.ceil(OUTPUT_BYTES / alphabet.length)).slice(0, OUTPUT_BYTES);
  const isWhole = stdoutSizeBytes === OUTPUT_BYTES && stdout.toString("latin1") === meant;
  return verdictOf("stdio.big", isWhole, `${stdoutSizeBytes} bytes arrived, or others`);
}

function errorOutput({ stdout, stderr }: Outcome): CaseVerdict {
  const text = stderr.toString("utf8");
  const isApart = text === ERROR_TEXT && !stdout.includes(ERROR_TEXT);
  return verdictOf("stdio.err", isApart, `standard error is ${JSON.stringify(text.slice(0, 80))}`);
}
