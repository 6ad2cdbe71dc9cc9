/** Runs the program's health check again and again and says what it found. */
import { connect } from "node:net";
import { takePrivilegesFrom } from "../agent/child-priority.ts";
import type { Credentials } from "../agent/guest-system.ts";
import { spawnAs } from "../agent/program-user.ts";
import type { Health, HealthCheck, ProgramStatus } from "../api/program.ts";

export interface HealthMonitorOptions {
  readonly health: Health;
  readonly environment: Readonly<Record<string, string>>;
  readonly workdir: string;
  /** Whom a check that is a program runs as. Absent: as the agent. */
  readonly user?: Credentials;
  /** Called when the verdict changes. */
  readonly onChange: (verdict: ProgramStatus["health"], detail: string) => void;
}

export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  readonly #stop = new AbortController();
  #verdict: ProgramStatus["health"] = "starting";

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
    void this.#run();
  }

  get verdict(): ProgramStatus["health"] {
    return this.#verdict;
  }

  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { health, onChange } = this.#options;
    const startedMs = performance.now();
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const failure = await this.#check();
      if (this.#stop.signal.aborted) return;
      const starting = performance.now() - startedMs < health.startPeriodMs;
      failures = failure === undefined ? 0 : failures + (starting ? 0 : 1);
      const before = this.#verdict;
      if (failure === undefined) this.#verdict = "healthy";
      else if (failures >= health.retries) this.#verdict = "unhealthy";
      if (this.#verdict !== before) onChange(this.#verdict, failure ?? "the check passed");
      // Until the first success the program is only starting: ask often, it decides readiness.
      const pause = this.#verdict === "starting" ? Math.min(100, health.intervalMs) : undefined;
      await pauseFor(pause ?? health.intervalMs, this.#stop.signal);
    }
  }

  /** @returns why the check failed, undefined when it passed */
  async #check(): Promise<string | undefined> {
    const { health, environment, workdir, user } = this.#options;
    const timeout = AbortSignal.timeout(health.timeoutMs);
    const signal = AbortSignal.any([timeout, this.#stop.signal]);
    try {
      await checks[health.check.kind](health.check as never, {
        signal,
        environment,
        workdir,
        user,
      });
      return undefined;
    } catch (error) {
      if (timeout.aborted) return `no answer within ${health.timeoutMs} ms`;
      return error instanceof Error ? error.message : String(error);
    }
  }
}

interface CheckContext {
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: Credentials | undefined;
}

const checks: {
  [K in HealthCheck["kind"]]: (
    check: Extract<HealthCheck, { kind: K }>,
    context: CheckContext,
  ) => Promise<void>;
} = {
  http: async ({ port, path }, { signal }) => {
    // Loaded when needed: under emulation it would cost every start a tenth of a second.
    const { get } = await import("node:http");
    await new Promise<void>((resolve, reject) => {
      const request = get({ host: "127.0.0.1", port, path, signal, agent: false }, (response) => {
        response.resume();
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 400) resolve();
        else reject(new Error(`HTTP status ${status}`));
      });
      request.on("error", reject);
    });
  },
  tcp: ({ port }, { signal }) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port });
      const abort = (): void => void socket.destroy(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      socket.on("error", reject);
      socket.on("close", () => signal.removeEventListener("abort", abort));
      socket.on("connect", () => {
        socket.destroy();
        resolve();
      });
    }),
  exec: ({ argv }, { signal, environment, workdir, user }) =>
    new Promise((resolve, reject) => {
      const env: Record<string, string> = {
        ...(user?.home === undefined ? {} : { HOME: user.home }),
        ...environment,
      };
      const child = spawnAs(user, argv, {
        cwd: workdir,
        env,
        stdio: "ignore",
        signal,
        killSignal: "SIGKILL",
      });
      takePrivilegesFrom("/proc", child.pid);
      child.on("error", reject);
      child.on("exit", (code, ended) => {
        if (code === 0) resolve();
        else reject(new Error(`${argv[0]} ended with ${ended ?? `exit status ${code}`}`));
      });
    }),
};

/** Resolves after the time, or at once when aborted. */
async function pauseFor(timeMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, timeMs);
    signal.addEventListener("abort", done);
  });
}
