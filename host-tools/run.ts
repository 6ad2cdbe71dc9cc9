/**
 * `run`: from an image to a program that is ready, in one call.
 *
 * ```ts
 * await using web = await run({ image: "hello", publish: [{ ... }] });
 * const reply = await fetch(web.url(3000));
 * ```
 */
import { inspect } from "node:util";
import type { ExecReply } from "../guest/api/exec.ts";
import type { JournalRecord } from "../guest/api/journal.ts";
import type { Folders } from "../image-builder/store/folders.ts";
import { HostError } from "./errors.ts";
import { createGuestClient, type GuestClient } from "./guest-client/guest-client.ts";
import type { End } from "./instance/instance-record.ts";
import { type Instance, Instances } from "./instance/instances.ts";
import type { CreateOptions } from "./instance/new-record.ts";
import type { Readiness } from "./instance/readiness.ts";
import type { StopStep } from "./instance/stop.ts";
import { Templates } from "./instance/templates.ts";
import { DEFAULT_HOST_ADDRESS } from "./network/publish.ts";
import type { Accelerator, PortForward } from "./qemu/machine.ts";

export interface RunOptions extends CreateOptions {
  /** Where images and instances are kept; default: this user's. */
  readonly folders?: Folders | undefined;
  /** For the program to become ready, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ExecOptions {
  /** Added to the program's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  readonly user?: string;
  readonly stdin?: string;
  /** Then the command is killed. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An instance that was started by `run`. Disposing of it stops and removes it. */
export interface RunningInstance extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  readonly accelerator: Accelerator;
  readonly readiness: Readiness;
  /** Published ports. */
  readonly ports: readonly PortForward[];
  /** The agent in the guest: every operation of its REST API. */
  readonly client: GuestClient;
  /**
   * Where a published TCP port answers HTTP: "http://127.0.0.1:18080".
   *
   * @param guestPort default: the first one
   * @throws {HostError} WL_USAGE when it is not published
   */
  url(guestPort?: number): string;
  /** The journal: output, phases, notices and ends of the program. With `follow`, to the end. */
  logs(options?: { follow?: boolean; signal?: AbortSignal }): AsyncGenerator<JournalRecord>;
  /** Runs a command in the guest to its end. */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecReply>;
  /** Ends the program, then the machine. Nothing happens when it has ended already. */
  stop(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<readonly StopStep[]>;
  /** Waits for the end. */
  wait(options?: { signal?: AbortSignal }): Promise<End>;
  /** Removes it, killed first if it runs. Idempotent. */
  remove(): Promise<void>;
  toJSON(): RunningInstanceJson;
}

export interface RunningInstanceJson {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly accelerator: Accelerator;
  readonly readiness: Readiness;
  readonly ports: readonly PortForward[];
}

/**
 * Makes an instance and starts it; when it cannot be started, nothing is left of it. An image that wants a
 * template (`template: auto` of the manifest) and has none gets one first.
 *
 * @throws what `Instances.create` and `Instances.start` throw; or the signal's reason
 */
export async function createAndStart(
  instances: Instances,
  options: CreateOptions,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Instance> {
  signal?.throwIfAborted();
  await new Templates(instances).createWanted(options, { signal });
  const created = await instances.create(options);
  try {
    return await instances.start(created.record.id, { signal });
  } catch (error) {
    await instances.remove(created.record.id, { force: true }).catch(ignoreUnknown);
    throw error;
  }
}

/**
 * Makes an instance, starts it and waits until its program is ready. When that fails, or the signal is
 * aborted, nothing is left of it.
 *
 * @throws {HostError} WL_BOOT_FAILED, WL_BOOT_TIMEOUT, and what `Instances.create` and
 *   `Instances.start` throw; {ImageError} WL_IMAGE_STORE for an unknown image
 */
export async function run(options: RunOptions): Promise<RunningInstance> {
  const { folders, timeoutMs, signal, ...create } = options;
  const instances = new Instances(folders);
  const instance = await createAndStart(instances, create, { signal });
  const { id } = instance.record;
  try {
    const wait = { signal, ...(timeoutMs !== undefined && { timeoutMs }) };
    const readiness = await instances.ready(instance, wait);
    return runningInstance(instances, instance, readiness);
  } catch (error) {
    await instances.remove(id, { force: true }).catch(ignoreUnknown);
    throw error;
  }
}

function runningInstance(
  instances: Instances,
  instance: Instance,
  readiness: Readiness,
): RunningInstance {
  const { id, name, imageName: image, launch } = instance.record;
  const accelerator = launch?.accelerator ?? "tcg";
  const ports = launch?.forwards ?? [];
  const client = createGuestClient({
    host: DEFAULT_HOST_ADDRESS,
    port: launch?.agentPort ?? 0,
    token: instance.record.tokens.admin,
  });
  const remove = async (): Promise<void> => {
    await client.close();
    await instances.remove(id, { force: true }).catch(ignoreUnknown);
  };
  const stop: RunningInstance["stop"] = async (wait = {}) => {
    try {
      return (await instances.stop(id, wait)).steps;
    } catch (error) {
      if (isEnded(error)) return [];
      throw error;
    }
  };
  const toJSON = (): RunningInstanceJson => {
    return { id, name, image, accelerator, readiness, ports };
  };
  const handle: RunningInstance = {
    id,
    name,
    accelerator,
    readiness,
    ports,
    client,
    url: (guestPort) => urlOf(name, ports, guestPort),
    logs: (follow = {}) => instances.journal(instance, { ...follow, launchOnly: true }),
    exec: (argv, { signal, ...request } = {}) => {
      // The reply begins when the command has ended.
      const body = { argv: [...argv], ...request };
      return client.call("exec", { body }, { signal, timeoutMs: 0 });
    },
    stop,
    wait: (wait = {}) => instances.wait(id, wait),
    remove,
    toJSON,
    async [Symbol.asyncDispose]() {
      try {
        await stop();
      } finally {
        await remove();
      }
    },
  };
  const ready = readiness === "ended" ? "ended" : "running";
  return Object.defineProperty(handle, inspect.custom, {
    value: () => `RunningInstance ${name} (${id}, ${image}, ${accelerator}, ${ready})`,
  });
}

function urlOf(name: string, ports: readonly PortForward[], guestPort?: number): string {
  const tcp = ports.filter(({ protocol }) => protocol === "tcp");
  const found = tcp.find((port) => guestPort === undefined || port.guestPort === guestPort);
  if (found) {
    const host = found.hostAddress === "0.0.0.0" ? "127.0.0.1" : found.hostAddress;
    return `http://${host}:${found.hostPort}`;
  }
  const what = guestPort === undefined ? "no TCP port" : `TCP port ${guestPort} is not`;
  throw new HostError("WL_USAGE", `Instance "${name}" has no address: ${what} published`, {
    next: "Publish the port when the instance is run",
  });
}

function isEnded(error: unknown): boolean {
  return (
    error instanceof HostError &&
    (error.code === "WL_INSTANCE_STATE" || error.code === "WL_INSTANCE_UNKNOWN")
  );
}

function ignoreUnknown(error: unknown): void {
  if (!(error instanceof HostError && error.code === "WL_INSTANCE_UNKNOWN")) throw error;
}
