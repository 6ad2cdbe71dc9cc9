/** Waiting for a first HTTP answer. */
import { type ClientRequest, get } from "node:http";

export interface PollOptions {
  /** From the first try, which is made at once, to the second. */
  readonly intervalMs: number;
  /** How much longer than the one before every further interval is. */
  readonly growth: number;
  /** Then a try is given up. */
  readonly tryTimeoutMs: number;
}

/**
 * For a guest that boots. QEMU's user network holds a connection to a guest that does not listen yet and asks
 * again later and later, so each try is its own: a fresh request every few milliseconds.
 */
export const WHILE_BOOTING: PollOptions = { intervalMs: 50, growth: 1, tryTimeoutMs: 500 };

/**
 * For a guest that listens: one request, as a client would send it. Should it be lost, there is another one, and
 * the time shows it; a second request while the first is being answered would only be work for the guest.
 */
export const WHILE_WAKING: PollOptions = { intervalMs: 1000, growth: 2, tryTimeoutMs: 60_000 };

const TIMEOUT_MS = 60_000;

/**
 * @returns performance.now() at the first answer with status 200
 * @throws {Error} when there is none in a minute
 */
export async function firstAnswer(port: number, options: PollOptions): Promise<number> {
  const requests = new Set<ClientRequest>();
  let timer: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error(`no answer on port ${port} in ${TIMEOUT_MS} ms`));
      deadline = setTimeout(fail, TIMEOUT_MS);
      const attempt = (intervalMs: number): void => {
        const timeout = options.tryTimeoutMs;
        const request = get({ host: "127.0.0.1", port, agent: false, timeout }, (response) => {
          const atMs = performance.now();
          response.resume();
          if (response.statusCode === 200) resolve(atMs);
        });
        requests.add(request);
        request.on("timeout", () => request.destroy());
        request.on("error", () => undefined);
        request.on("close", () => requests.delete(request));
        timer = setTimeout(() => attempt(intervalMs * options.growth), intervalMs);
      };
      attempt(options.intervalMs);
    });
  } finally {
    clearTimeout(timer);
    clearTimeout(deadline);
    for (const request of requests) request.destroy();
  }
}
