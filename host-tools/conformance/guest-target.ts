/** A Linux guest: programs are run by its agent, their files are put there as archives. */
import { randomBytes } from "node:crypto";
import { NODE_PATH } from "../../image-builder/project/guest-paths.ts";
import type { ExecSession } from "../guest-client/exec-session.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";
import { packTar } from "../guest-client/tar-pack.ts";
import { Instances } from "../instance/instances.ts";
import type { CreateOptions } from "../instance/new-record.ts";
import { Templates } from "../instance/templates.ts";
import { run } from "../run.ts";
import { readBounded } from "./bounded-output.ts";
import type { Outcome, Target, TargetCommand, TargetWaiting } from "./target.ts";

/** The host, as guests of QEMU's user network see it. */
const HOST_ADDRESS = "10.0.2.2";
const TEMPORARY = "/tmp";
/** For what a killed command needs to be gone, before the connection is given up. */
const KILL_TIMEOUT_MS = 5000;

interface Guest {
  readonly name: string;
  readonly client: GuestClient;
  readonly cpuCount: number;
  fork(waiting?: TargetWaiting): Promise<Target>;
  close(): Promise<void>;
}

/**
 * An instance that is there already, and stays.
 *
 * @throws what `Instances.client` throws
 */
export async function openInstanceTarget(
  reference: string,
  instances: Instances = new Instances(),
): Promise<Target> {
  const { instance, client } = await instances.client(reference);
  const { name, options } = instance.record;
  const fork = async (waiting: TargetWaiting = {}): Promise<Target> => {
    const [clone] = await new Templates(instances).fork(reference, { count: 1, ...waiting });
    if (!clone) throw new TypeError("a fork is one clone");
    await instances.ready(clone, waiting);
    const target = await openInstanceTarget(clone.record.id, instances);
    return {
      ...target,
      async [Symbol.asyncDispose]() {
        await target[Symbol.asyncDispose]();
        await instances.remove(clone.record.id, { force: true });
      },
    };
  };
  return guestTarget({
    name: `instance ${name}`,
    ...{ client, fork, cpuCount: options.vcpuCount },
    close: () => client.close(),
  });
}

export type ImageTargetOptions = Pick<
  CreateOptions,
  "image" | "memoryMib" | "vcpuCount" | "accelerator" | "scratch" | "boot"
>;

/**
 * A new instance of an image, removed afterwards. Its own program may end: the machine goes on.
 *
 * @throws what `run` throws
 */
export async function openImageTarget(
  options: ImageTargetOptions,
  instances: Instances = new Instances(),
  { signal }: TargetWaiting = {},
): Promise<Target> {
  const program = { onExit: "keep" } as const;
  const machine = await run({ ...options, program, folders: instances.store.folders, signal });
  const { record } = await instances.get(machine.id);
  const templates = new Templates(instances);
  let template: string | undefined;
  const fork = async (waiting: TargetWaiting = {}): Promise<Target> => {
    // Of the image, not of this machine, on which rows may have been run.
    template ??= (await templates.create({ ...options, program }, waiting)).id;
    return await openImageTarget({ ...options, boot: { template } }, instances, waiting);
  };
  return guestTarget({
    name: `image ${options.image}`,
    ...{ client: machine.client, fork, cpuCount: record.options.vcpuCount },
    async close() {
      await machine.remove();
      if (template !== undefined) await templates.remove(template);
    },
  });
}

function guestTarget({ name, client, cpuCount, fork, close }: Guest): Target {
  const places: string[] = [];
  const runThere: Target["run"] = (command, waiting) => runCommand(client, command, waiting);
  return {
    ...{ kind: "linux", name, cpuCount, fork, run: runThere },
    nodePath: NODE_PATH,
    hostAddress: HOST_ADDRESS,
    async put(hostFolder, { signal = new AbortController().signal } = {}) {
      const folder = `conformance-${randomBytes(4).toString("hex")}`;
      const request = { path: hostFolder, name: folder, signal, onSkip: refuseSkip };
      await client.archivePut(TEMPORARY, packTar(request), { signal });
      places.push(`${TEMPORARY}/${folder}`);
      return `${TEMPORARY}/${folder}`;
    },
    async [Symbol.asyncDispose]() {
      try {
        for (const place of places.splice(0)) await removeFolder(client, place);
      } catch {
        // The machine may have gone; what the rows said stands.
      } finally {
        await close();
      }
    },
  };
}

function refuseSkip(path: string): never {
  throw new TypeError(`a row's files hold ${path}, which no archive can have`);
}

async function removeFolder(client: GuestClient, folder: string): Promise<void> {
  const script = "require('fs').rmSync(process.argv[1], { recursive: true, force: true })";
  await client.call("exec", { body: { argv: [NODE_PATH, "-e", script, folder] } });
}

async function runCommand(
  client: GuestClient,
  command: TargetCommand,
  { signal }: TargetWaiting = {},
): Promise<Outcome> {
  const startedAtMs = Date.now();
  const lost = new AbortController();
  const either = signal ? AbortSignal.any([signal, lost.signal]) : lost.signal;
  const open = {
    argv: [...command.argv],
    workdir: command.workdir ?? TEMPORARY,
    env: { ...command.env },
  };
  await using session = await client.exec(open, { signal: either });
  let timedOut = false;
  const kill = (): void => {
    timedOut = true;
    session.signal("SIGKILL");
    timer = setTimeout(() => lost.abort(new Error("a killed command goes on")), KILL_TIMEOUT_MS);
  };
  let timer = setTimeout(kill, command.timeoutMs);
  try {
    session.stdin.on("error", () => {});
    session.stdin.end(command.stdin ?? "");
    return { ...(await outcomeOf(session)), timedOut, startedAtMs, endedAtMs: Date.now() };
  } finally {
    clearTimeout(timer);
  }
}

async function outcomeOf(
  session: ExecSession,
): Promise<Omit<Outcome, "timedOut" | "startedAtMs" | "endedAtMs">> {
  const [stdout, stderr] = await Promise.all([
    readBounded(session.stdout),
    readBounded(session.stderr),
  ]);
  return {
    ...(await session.exit),
    ...{ stdout: stdout.bytes, stdoutSizeBytes: stdout.sizeBytes },
    ...{ stderr: stderr.bytes, stderrSizeBytes: stderr.sizeBytes },
  };
}
