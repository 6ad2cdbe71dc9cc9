/** Watching one start: what is heard of it and asked from it, for its time line (boot-marks.ts). */
import type { PhaseRecord } from "../../guest/api/journal.ts";
import { HostError } from "../errors.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";
import {
  type BootSpan,
  bootSpans,
  type GuestMarks,
  guestMarks,
  type PhaseArrival,
} from "./boot-marks.ts";
import type { Instance, Instances, Waiting } from "./instances.ts";
import type { Readiness } from "./readiness.ts";

export class BootTrace {
  readonly #arrivals: PhaseArrival[] = [];

  /** For `Instances.ready`. */
  readonly onPhase = ({ phase, uptimeMs }: PhaseRecord): void => {
    this.#arrivals.push({ phase, uptimeMs, arrivedAtMs: Date.now() });
  };

  /**
   * Asks the guest for what it knows, if it still can be asked.
   *
   * @returns the time line; empty for an instance whose start was not timed
   * @throws the signal's reason
   */
  async spans(
    instances: Instances,
    { record: { id, launch } }: Instance,
    { readiness, signal }: Waiting & { readonly readiness: Readiness },
  ): Promise<BootSpan[]> {
    if (!launch?.timing) return [];
    const facts = { timing: launch.timing, arrivals: this.#arrivals };
    if (readiness === "ended") return bootSpans(facts);
    try {
      const { client } = await instances.client(id);
      await using _client = client;
      await client.call("osVersion", {}, { signal });
      const answeredAtMs = Date.now();
      // A clone's kernel remembers the boot of its template.
      const guest = launch.boot?.kind === "cold" ? await askGuest(client, { signal }) : undefined;
      return bootSpans({ ...facts, guest, answeredAtMs });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof HostError)) throw error;
      return bootSpans(facts); // The machine has ended meanwhile.
    }
  }
}

async function askGuest(client: GuestClient, wait: Waiting): Promise<GuestMarks | undefined> {
  const file = async (path: string): Promise<string> =>
    (await client.raw("GET", `/file${path}?op=GET`, undefined, wait)).body.toString();
  const kernelLog = await client.call("osDmesg", {}, wait);
  const [agent = ""] = (await file("/proc/1/task/1/children")).trim().split(" ");
  return guestMarks(kernelLog, await file(`/proc/${agent}/stat`));
}
