/**
 * The project's way into uvu. uvu 0.5.6 reports a throw in `before` as a pass, has no deadline per
 * test and records no reason for a skip; this wrapper closes those holes. Every test file uses it.
 *
 * - setup and teardown run as tests of their own, so their failure fails the run;
 * - after a failed setup every test of the suite fails at once with that cause;
 * - every test has a deadline and receives a signal that is aborted when it passes;
 * - a skip needs a reason, which is printed and counted;
 * - a test that takes long is named with its time.
 */
import { suite as uvuSuite } from "uvu";

/** What the whole run counted so far; the runner prints it and refuses an empty run. */
export const tally = { passed: 0, failed: 0, skipped: 0 };

/** Tests that took longer are named with their time. */
const LONG_MS = 3_000;
/** Lines of the run's end. */
export const longTests: string[] = [];

/**
 * Deadline of one test of a suite that boots machines, of its setup and of its teardown. It ends what hangs, and
 * judges nothing: emulated machines take three times as long on a busy host.
 */
export const MACHINE_TIMEOUT_MS = 900_000;

export interface TestContext {
  /** Aborted when the test's deadline has passed. */
  readonly signal: AbortSignal;
}

export interface SuiteOptions {
  /** Deadline of one test, of setup and of teardown, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number;
  /** What the whole suite cannot run without: every test is skipped, setup and teardown are left out. */
  readonly missing?: string | undefined;
  readonly setup?: (context: TestContext) => unknown;
  readonly teardown?: (context: TestContext) => unknown;
}

export interface Suite {
  (name: string, body: (context: TestContext) => unknown): void;
  /**
   * Leaves a test out and says why. `reason` must name what is missing on this machine; what the whole
   * suite cannot run without is said in its place.
   */
  skip(reason: string, name: string): void;
  /** Registers the suite with the runner; the last line of every test file. */
  run(): void;
}

export function suite(name: string, options: SuiteOptions = {}): Suite {
  const { timeoutMs = 30_000, missing } = options;
  const inner = uvuSuite(name);
  let setupFailure: unknown;

  const add = (testName: string, body: (context: TestContext) => unknown): void => {
    inner(testName, async () => {
      const startedMs = performance.now();
      try {
        await withDeadline(body, timeoutMs, `${name}: ${testName}`);
        tally.passed += 1;
      } catch (error) {
        tally.failed += 1;
        throw error;
      } finally {
        const tookMs = performance.now() - startedMs;
        const took = `${(tookMs / 1000).toFixed(1)} s`;
        if (tookMs > LONG_MS) longTests.push(`${took} ${name}: ${testName}`);
      }
    });
  };

  if (options.setup && missing === undefined) {
    const setup = options.setup;
    add("(setup)", async (context) => {
      try {
        await setup(context);
      } catch (error) {
        setupFailure = error ?? new Error("setup threw nothing");
        throw error;
      }
    });
  }
  const skip = (reason: string, testName: string): void => {
    tally.skipped += 1;
    process.stdout.write(`  skipped: ${name}: ${testName}: ${missing ?? reason}\n`);
  };
  const test = (testName: string, body: (context: TestContext) => unknown): void => {
    if (missing !== undefined) {
      skip(missing, testName);
      return;
    }
    add(testName, (context) => {
      if (setupFailure) throw new Error("not run: setup failed", { cause: setupFailure });
      return body(context);
    });
  };
  return Object.assign(test, {
    skip,
    run(): void {
      if (options.teardown && missing === undefined) add("(teardown)", options.teardown);
      inner.run();
    },
  });
}

async function withDeadline(
  body: (context: TestContext) => unknown,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`${what} took longer than ${timeoutMs} ms`);
      controller.abort(error);
      reject(error);
    }, timeoutMs);
  });
  try {
    await Promise.race([(async () => body({ signal: controller.signal }))(), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
