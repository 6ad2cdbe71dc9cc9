/**
 * Sends the program requests over the loopback. Code that has run is compiled, linked and in memory;
 * the first request to a fresh program takes several times as long as the tenth.
 */
import { Agent, type RequestOptions, request } from "node:http";
import type { WarmUp } from "../api/template.ts";

/**
 * As Node's client sends them, and as curl does. The object that Node makes of the headers has them in their order:
 * V8 keeps a description of every order it has seen, and a clone that sees the first of its kind makes a new one.
 */
const CLIENTS: readonly (readonly string[])[] = [
  ["Host", "localhost", "Connection", "close"],
  ["Host", "localhost", "User-Agent", "windlass", "Accept", "*/*", "Connection", "close"],
];

/**
 * Sends them one after another, each over a connection of its own as a first client would.
 *
 * @returns how many were answered; fewer than asked for when the time is over or the port does not answer
 */
export async function warmUp(
  { port, path, requests, timeoutMs }: WarmUp,
  { signal }: { signal: AbortSignal },
): Promise<{ answered: number; elapsedMs: number }> {
  const started = performance.now();
  // Not AbortSignal.timeout: nothing stops that, and it would go off in every clone.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  const stop = AbortSignal.any([signal, late.signal]);
  const agent = new Agent({ keepAlive: false });
  let answered = 0;
  try {
    while (answered < requests && !stop.aborted) {
      const headers = CLIENTS[answered % CLIENTS.length];
      await get({ port, path, agent, headers, signal: stop });
      answered += 1;
    }
  } catch {
    signal.throwIfAborted();
  } finally {
    clearTimeout(timer);
    agent.destroy();
  }
  return { answered, elapsedMs: performance.now() - started };
}

function get(options: RequestOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, host: "127.0.0.1" }, (reply) => {
      reply.on("error", reject);
      reply.on("close", resolve);
      reply.resume();
    });
    sent.on("error", reject);
    sent.end();
  });
}
