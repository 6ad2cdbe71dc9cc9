/** Bringing a running machine to a stop in which it can be saved and from which others can go on. */
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { HostError } from "../errors.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";
import type { QmpConnection } from "../qmp/connection.ts";
import type { InstanceFiles } from "./instance-files.ts";
import { followJournal } from "./journal-file.ts";
import { WakePort } from "./wake.ts";

/** For the programs' hooks to end. */
export const HOOK_TIMEOUT_MS = 30_000;
/** From the agent's reply to everything being stopped. */
const ARMED_TIMEOUT_MS = 10_000;
/** The same, when nobody waited for the reply any more: on an idle guest it takes milliseconds. */
const HUNG_UP_TIMEOUT_MS = 1_000;
/**
 * From everything being stopped to the machine's being stopped: the helper gets to its read. Else every clone would do
 * that first. The kernel would do more in a longer time, but whoever saves waits for it.
 */
const REST_MS = 5;

export interface FrozenMachine {
  /** Open, as it must be when the machine is saved. */
  readonly port: WakePort;
  /** Host's clock when it stopped, Unix time in milliseconds. */
  readonly stoppedAtMs: number;
  readonly hookedProcesses: number;
}

export interface FreezeOptions {
  readonly files: InstanceFiles;
  /** Closed here: a connection that is open while the machine is saved would be every clone's. */
  readonly client: GuestClient;
  readonly qmp: QmpConnection;
  readonly machineEnded: Promise<unknown>;
  /** Stops the machine. Default: QMP `stop`. */
  readonly stop?: (() => Promise<unknown>) | undefined;
  readonly hookTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the programs' hooks and stops everything in the guest, then the machine. It waits for a wake
 * message then, in this process or in others. Once everything is stopped this does not break off, so that
 * whoever called can wake it: look at the signal then.
 *
 * @throws {HostError} WL_GUEST_REFUSED when a hook failed (the machine runs on), WL_TEMPLATE_FAILED when
 *   the guest did not stop
 */
export async function freezeMachine(options: FreezeOptions): Promise<FrozenMachine> {
  const { files, client, qmp, machineEnded, signal } = options;
  const { hookTimeoutMs: timeoutMs = HOOK_TIMEOUT_MS } = options;
  const { size: fromByte } = await stat(files.journal);
  const port = await WakePort.open(files.wakeSocket, { qmp, signal });
  try {
    const body = { timeoutMs };
    const wait = { timeoutMs: timeoutMs + ARMED_TIMEOUT_MS, signal };
    const armed = (limitMs: number) => waitArmed(files, { fromByte, ended: machineEnded, limitMs });
    const hookedProcesses = await client.call("templatePrepare", { body }, wait).then(
      ({ hooked }) => hooked.length,
      async (error) => {
        // An agent that was about to reply stops everything when we hang up.
        if (!signal?.aborted) throw error;
        return await armed(HUNG_UP_TIMEOUT_MS).then(
          () => 0,
          () => Promise.reject(error),
        );
      },
    );
    await client.close();
    await armed(ARMED_TIMEOUT_MS);
    await delay(REST_MS);
    // QEMU's own time: on a busy host ours would be that of our being told.
    const stopped = qmp.waitForEvent("STOP");
    stopped.catch(() => undefined); // Looked at below.
    await (options.stop?.() ?? qmp.execute("stop"));
    return { port, stoppedAtMs: (await stopped).timeMs, hookedProcesses };
  } catch (error) {
    port[Symbol.dispose]();
    throw error;
  }
}

async function waitArmed(
  { journal }: InstanceFiles,
  { fromByte, ended, limitMs }: { fromByte: number; ended: Promise<unknown>; limitMs: number },
): Promise<void> {
  const deadline = AbortSignal.timeout(limitMs);
  try {
    for await (const record of followJournal(journal, { fromByte, ended, signal: deadline })) {
      if (record.kind === "phase" && record.phase === "armed") return;
    }
  } catch (error) {
    if (!deadline.aborted) throw error;
  }
  const what = deadline.aborted ? `did not stop in ${limitMs} ms` : "ended";
  throw new HostError("WL_TEMPLATE_FAILED", `Cannot take a template: the guest ${what}`, {
    next: `See the journal: ${journal}`,
  });
}
