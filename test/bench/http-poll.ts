/** Waiting for a first HTTP answer, as guest.md's pitfall asks: a fresh request every few milliseconds. */
import { get } from "node:http";

/** QEMU's user network holds a connection to a guest that does not listen yet; each try is its own. */
const POLL_MS = 50;
const TRY_TIMEOUT_MS = 500;

/** @returns performance.now() at the first answer with status 200 */
export async function firstAnswer(port: number, path = "/", timeoutMs = 60_000): Promise<number> {
  const deadlineMs = performance.now() + timeoutMs;
  return await new Promise((resolve, reject) => {
    let settled = false;
    const attempt = (): void => {
      if (performance.now() > deadlineMs) {
        settle(() => reject(new Error(`no answer on port ${port} in ${timeoutMs} ms`)));
        return;
      }
      const options = { host: "127.0.0.1", port, path, agent: false, timeout: TRY_TIMEOUT_MS };
      const request = get(options, (response) => {
        const atMs = performance.now();
        response.resume();
        if (response.statusCode === 200) settle(() => resolve(atMs));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => undefined);
    };
    const timer = setInterval(attempt, POLL_MS);
    const settle = (finish: () => void): void => {
      if (settled) return;
      settled = true;
      clearInterval(timer);
      finish();
    };
    attempt();
  });
}
