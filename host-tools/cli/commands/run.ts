/** `windlass run`. */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { HostError } from "../../errors.ts";
import { type Instance, Instances } from "../../instance/instances.ts";
import type { CreateOptions } from "../../instance/new-record.ts";
import type { Template } from "../../instance/template.ts";
import { parsePublish } from "../../network/publish.ts";
import { createAndStart } from "../../run.ts";
import { waitStarted } from "../background.ts";
import { bootchartText } from "../bootchart.ts";
import { buildProject, projectAt } from "../build-project.ts";
import { foreground } from "../foreground.ts";
import type { Execute, Invocation } from "../invocation.ts";
import {
  environment,
  environmentFile,
  memoryMib,
  restartPolicyOf,
  scratchOf,
} from "../option-values.ts";
import { printableLine } from "../printable-text.ts";

export const execute: Execute<"run"> = async (invocation) => {
  const { options, operands, output, signal } = invocation;
  const [target = "", ...args] = operands;
  // What is wrong with the options is said before anything is built.
  const create = await createOptions(invocation, args);
  const instances = new Instances();
  const template = options.clone ? await templateFor(instances, target) : undefined;
  const image = template?.imageId ?? (await imageOf(invocation, instances, target));
  const started = await createAndStart(
    instances,
    { ...create, ...(template && likeTemplate(template, create)), image },
    { signal },
  );
  const { launch } = started.record;
  const isQuiet = options.quiet || options.json;
  if (!isQuiet && launch?.accelerator === "tcg")
    output.note(printableLine(launch.acceleratorReason));
  const boot = launch?.boot;
  if (!isQuiet && boot?.kind === "cold" && boot.why !== undefined)
    output.note(printableLine(`starting cold: ${boot.why}`));
  const { bootchart } = options;
  try {
    if (!options.detach) {
      for (const line of isQuiet ? [] : chosenPorts(started, create.publish)) output.note(line);
      const { interactive } = options;
      return await foreground(started, { ...invocation, instances, interactive, bootchart });
    }
    const view = await waitStarted(instances, started, { output, signal, bootchart });
    if (view.bootchart && !options.json) await output.printError(bootchartText(view.bootchart));
    await (options.json ? output.json(view) : output.print(`${view.id}\n`));
    return 0;
  } catch (error) {
    await tidyUp(error, instances, started, signal);
    throw error;
  }
};

/** As "windlass port" has them: those that nobody but us can know. */
function chosenPorts({ record }: Instance, asked: CreateOptions["publish"] = []): string[] {
  const own = new Set(asked.map(({ hostPort }) => hostPort));
  const chosen = record.launch?.forwards.filter(({ hostPort }) => !own.has(hostPort)) ?? [];
  return chosen.map(
    ({ guestPort, protocol, hostAddress, hostPort }) =>
      `${guestPort}/${protocol} -> ${hostAddress}:${hostPort}`,
  );
}

/** Whether the program ever ran: then there is a journal to keep. */
async function hasBegun(instances: Instances, instance: Instance): Promise<boolean> {
  for await (const record of instances.journal(instance, { launchOnly: true })) {
    if (record.kind !== "phase" || record.phase === "program-started") return true;
  }
  return false;
}

/** Its name is wanted for the next try, and whoever interrupts has not even got its id. */
async function tidyUp(
  error: unknown,
  instances: Instances,
  started: Instance,
  signal: AbortSignal,
): Promise<void> {
  const { id, options } = started.record;
  // Looking at one that has ended removes it, if it is to be removed at its end.
  const instance = await instances.get(id).catch(() => undefined);
  if (!instance || options.autoRemove) return;
  if (isTooSmall(error) || (signal.aborted && !(await hasBegun(instances, started)))) {
    await instances.remove(id, { force: true }).catch(() => undefined);
  }
}

function isTooSmall(error: unknown): boolean {
  return error instanceof HostError && error.facts.detail?.["isTooSmall"] === true;
}

/**
 * A template by its name, or the newest of an image.
 *
 * @throws {HostError} WL_TEMPLATE_UNKNOWN
 */
async function templateFor(instances: Instances, reference: string): Promise<Template> {
  const named = await instances.templates.find(reference);
  if (named) return named;
  const image = await instances.images.find(reference);
  const [newest] = image
    ? (await instances.templates.list()).filter(({ imageId }) => imageId === image.id)
    : [];
  return newest ?? (await instances.templates.get(reference));
}

/** What was not asked for is as it is in the template. */
function likeTemplate(template: Template, asked: Partial<CreateOptions>): Partial<CreateOptions> {
  return {
    boot: { template: template.id },
    memoryMib: asked.memoryMib ?? template.memoryMib,
    vcpuCount: asked.vcpuCount ?? template.vcpuCount,
    environment: { ...template.program.env, ...asked.environment },
  };
}

async function createOptions(
  { options }: Invocation<"run">,
  args: readonly string[],
): Promise<Omit<CreateOptions, "image">> {
  const files = await Promise.all(options["env-file"].map(readVariables));
  const { cpus, memory, restart, scratch, user, workdir } = options;
  if (options.clone && options.cold) {
    throw usage("A clone does not boot", "Leave --clone or --cold out");
  }
  if (cpus === 0) throw usage("A machine needs a vCPU", "Write --cpus 1 or more");
  if (workdir !== undefined && !workdir.startsWith("/")) {
    throw usage(
      `"${workdir}" is not an absolute path`,
      "Write -w /app or another path of the guest",
    );
  }
  return {
    name: options.name,
    memoryMib: memory === undefined ? undefined : memoryMib(memory),
    vcpuCount: cpus,
    scratch: scratch === undefined ? undefined : scratchOf(scratch),
    accelerator: options.accelerator,
    kernelPath: options.kernel === undefined ? undefined : await kernelPath(options.kernel),
    publish: options.publish.map(parsePublish),
    publishAll: options["publish-all"],
    address: options.dhcp ? "dhcp" : "static",
    boot: options.cold ? "cold" : undefined,
    autoRemove: options.rm,
    environment: { ...Object.assign({}, ...files), ...environment(options.env) },
    args,
    program: {
      ...(restart !== undefined && { restart: restartPolicyOf(restart) }),
      ...(user !== undefined && { user }),
      ...(workdir !== undefined && { workdir }),
      ...(options.interactive && { openStdin: true }),
    },
  };
}

/** A folder or an executable is built first; a name that is an image's is the image, even beside a folder of that name. */
async function imageOf(
  { options, output, signal }: Invocation<"run">,
  instances: Instances,
  target: string,
): Promise<string> {
  const isPath = /^\.{0,2}\//.test(target) || target === "." || target === "..";
  if (!isPath && (await instances.images.find(target))) return target;
  const project = await projectAt(target);
  if (!project) {
    if (isPath) {
      const next = "Name a project's folder, an executable, or an image";
      throw usage(`There is no folder and no executable "${target}"`, next);
    }
    return target; // Unknown: says so when the instance is made.
  }
  const quiet = options.quiet || options.json;
  const { image } = await buildProject({ ...project, output, quiet, signal });
  return image.id;
}

async function kernelPath(file: string): Promise<string> {
  const path = resolve(file);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw usage(`There is no kernel file "${file}"`, "Check the path");
  return path;
}

async function readVariables(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw usage(`Cannot read "${file}": ${cause.message}`, "Check the path of --env-file");
  });
  return environmentFile(text, file);
}

function usage(message: string, next: string): HostError {
  return new HostError("WL_USAGE", message, { next });
}
