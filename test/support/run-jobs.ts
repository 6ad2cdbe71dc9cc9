/**
 * Test files in processes of their own, several at a time: an emulated machine keeps one core busy, and a host has
 * more. What a process prints is shown when it has ended, so that files do not mix.
 */
import { spawn } from "node:child_process";
import { relative } from "node:path";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface JobOutput {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status, or the signal that ended it. */
  readonly end: number | NodeJS.Signals;
}

/** The last line of run.ts. */
const TALLY = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n$/;

/**
 * @param jobs the arguments of run.ts for each process
 * @param atOnce how many processes run beside each other, from 1 up
 * @returns what all of them counted; one that ends without a tally is one failed test
 */
export async function runJobs(jobs: readonly (readonly string[])[], atOnce: number) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const waiting = [...jobs];
  // Those that run are told too, and end by it.
  const stop = (signal: NodeJS.Signals): void => {
    console.log(`  stopped by ${signal}: ${waiting.splice(0).length} files were not run`);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const work = async (): Promise<void> => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const startedMs = performance.now();
      const output = await runJob(job);
      const seconds = Math.round((performance.now() - startedMs) / 1000);
      const { shown, tally } = readJob(output);
      process.stdout.write(shown);
      const failure = tally.complete ? "" : `, FAIL: it ended with ${output.end}`;
      console.log(`  ${jobName(job)}: ${seconds} s${failure}`);
      sum.passed += tally.passed;
      sum.failed += tally.failed;
      sum.skipped += tally.skipped;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  process.off("SIGINT", stop).off("SIGTERM", stop);
  return sum;
}

/** What a process printed, without its tally, and the tally. Pure. */
export function readJob({ stdout, stderr, end }: JobOutput): {
  readonly shown: string;
  readonly tally: Tally & { readonly complete: boolean };
} {
  const found = TALLY.exec(stdout.slice(stdout.lastIndexOf("\n", stdout.length - 2) + 1));
  if (!found) {
    const none = { passed: 0, failed: 1, skipped: 0, complete: false };
    return { shown: stdout + stderr, tally: none };
  }
  const [line, passed = "", failed = "", skipped = "0"] = found;
  const counted = { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
  // A run may fail although no test did: for one, when there was none.
  const isFailed = end !== 0 && counted.failed === 0;
  const tally = { ...counted, failed: counted.failed + (isFailed ? 1 : 0), complete: !isFailed };
  return { shown: stdout.slice(0, -line.length) + stderr, tally };
}

const jobName = (job: readonly string[]): string =>
  job.map((word) => (word.startsWith("/") ? relative(process.cwd(), word) : word)).join(" ");

function runJob(job: readonly string[]): Promise<JobOutput> {
  const runner = new URL("run.ts", import.meta.url).pathname;
  const argv = [...process.execArgv, runner, ...job];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "pipe"] });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", pass).on("SIGTERM", pass);
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (piece: string) => {
      output[name] += piece;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => {
      process.off("SIGINT", pass).off("SIGTERM", pass);
      resolve({ ...output, end: status ?? signal ?? 1 });
    });
  });
}
