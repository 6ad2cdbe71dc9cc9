/** Our standard input to the program's (`run -i`, `attach`). */
import type { Readable } from "node:stream";
import { HostError } from "../errors.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";

/**
 * Sends what comes, piece by piece, until the end of the input, which closes the program's. Ends
 * silently when the program does not take any more.
 *
 * @throws {HostError} WL_GUEST_REFUSED for another reason; or the signal's reason
 */
export async function sendInput(
  client: GuestClient,
  input: Readable,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const wait = { signal, timeoutMs: 0 };
  const stop = (): void => void input.destroy();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      await client.call("programStdin", { query: {}, body: chunk }, wait);
    }
    await client.call("programStdin", { query: { end: true }, body: Buffer.alloc(0) }, wait);
  } catch (error) {
    signal?.throwIfAborted();
    const isOver =
      error instanceof HostError &&
      (error.code === "WL_GUEST_UNREACHABLE" || error.facts.detail?.["status"] === 409);
    if (!isOver) throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
