/** Waiting for a first HTTP answer, as guest.md's pitfall asks: a fresh request every few milliseconds. */
import { get } from "node:http";

/** QEMU's user network holds a connection to a guest that does not listen yet; each try is its own. */
const POLL_MS = 50;
const TRY_TIMEOUT_MS = 500;
const TIMEOUT_MS = 60_000;

/**
 * @param options.pollMs between two tries, of which the first is made at once
 * @returns performance.now() at the first answer with status 200
 */
export async function firstAnswer(port: number, { pollMs = POLL_MS } = {}): Promise<number> {
  const deadlineMs = performance.now() + TIMEOUT_MS;
  return await new Promise((resolve, reject) => {
    let settled = false;
    const attempt = (): void => {
      if (performance.now() > deadlineMs) {
        settle(() => reject(new Error(`no answer on port ${port} in ${TIMEOUT_MS} ms`)));
        return;
      }
      const options = { host: "127.0.0.1", port, agent: false, timeout: TRY_TIMEOUT_MS };
      const request = get(options, (response) => {
        const atMs = performance.now();
        response.resume();
        if (response.statusCode === 200) settle(() => resolve(atMs));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => undefined);
    };
    const timer = setInterval(attempt, pollMs);
    const settle = (finish: () => void): void => {
      if (settled) return;
      settled = true;
      clearInterval(timer);
      finish();
    };
    attempt();
  });
}
