/** The templates of this host, and forks: everything that can be done with saved machines. */
import { randomBytes } from "node:crypto";
import type { ProgramSpec } from "../../guest/api/program.ts";
import { HostError } from "../errors.ts";
import type { PublishRequest } from "../network/publish.ts";
import type { Instance, Instances, Waiting } from "./instances.ts";
import { type CreateOptions, newRecord } from "./new-record.ts";
import type { Template } from "./template.ts";
import {
  type TemplateIdentity,
  templateFromImage,
  templateFromInstance,
  type WarmUpRequest,
} from "./template-creation.ts";

/** More would not start sooner: a start is work for about one CPU. */
const STARTS_AT_ONCE = 2;

export interface TemplateOptions extends Omit<CreateOptions, "boot" | "publish" | "autoRemove"> {
  readonly warmUp?: WarmUpRequest | undefined;
}

export interface SaveOptions extends Waiting, Pick<TemplateIdentity, "isBrief"> {
  /** Of the template; default: made of the instance's. */
  readonly name?: string | undefined;
}

export interface ForkOptions extends Waiting {
  /** How many; default 1. */
  readonly count?: number | undefined;
  /** Of the first clones; those without one get one made up. */
  readonly names?: readonly string[] | undefined;
  /** Default: the instance's guest ports, each on a free port of the host. */
  readonly publish?: readonly PublishRequest[] | undefined;
  /** Told about each when it is started. */
  readonly onStarted?: ((clone: Instance) => void) | undefined;
}

export class Templates {
  readonly #instances: Instances;

  constructor(instances: Instances) {
    this.#instances = instances;
  }

  /**
   * Starts a machine of an image, saves it when it is ready, and ends it.
   *
   * @throws what `templateFromImage` throws; nothing is left then
   */
  async create(options: TemplateOptions, { signal }: Waiting = {}): Promise<Template> {
    const { images, templates } = this.#instances;
    await using _images = await images.lock({ shared: true });
    const image = await images.get(options.image);
    mustBeProcess(image.config.program, options.image);
    const id = newId();
    const name = options.name ?? defaultName(options.image, id);
    const record = newRecord({ id, name }, image, options);
    const warmUp = options.warmUp ?? warmUpOf(image.config.template?.warmUp);
    await this.#instances.store.makeRuntimeFolder();
    return await templateFromImage(record, { templates, images, signal }, warmUp);
  }

  /**
   * Makes the template that an image asks for, if it has none and a clone of it would do for what is to be
   * started.
   *
   * @returns undefined when there is nothing to make, or it could not be made: the start is cold then
   */
  async createWanted(
    options: TemplateOptions & Pick<CreateOptions, "boot">,
    { signal }: Waiting = {},
  ): Promise<Template | undefined> {
    const { images, templates } = this.#instances;
    const image = await images.find(options.image);
    const { template: wanted, program } = image?.config ?? {};
    const isAsked = options.boot === undefined || options.boot === "auto";
    if (!image || !wanted?.auto || !isAsked) return undefined;
    const late = program?.lateBound;
    const names = Object.keys(options.environment ?? {});
    const fits =
      names.every((name) => late?.env.includes(name)) &&
      ((options.args ?? []).length === 0 || late?.args === true);
    const isThere = (await templates.list()).some(({ imageId }) => imageId === image.id);
    if (!fits || isThere) return undefined;
    try {
      const { name: _of, environment: _late, args: _more, ...machine } = options;
      return await this.create({ ...machine, warmUp: warmUpOf(wanted.warmUp) }, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof HostError) return undefined; // The cold start fails too, and says why.
      throw error;
    }
  }

  /**
   * Saves an instance that runs; it goes on.
   *
   * @throws what `templateFromInstance` throws; {HostError} WL_INSTANCE_STATE
   */
  async save(reference: string, { name, isBrief, signal }: SaveOptions = {}): Promise<Template> {
    const { images, templates } = this.#instances;
    const id = newId();
    return await this.#instances.whileRunning(reference, { signal }, async (source) => {
      mustBeProcess(source.record.options.program, source.record.name);
      const identity = { id, name: name ?? defaultName(source.record.name, id), isBrief };
      return await templateFromInstance(source, identity, { templates, images, signal });
    });
  }

  /**
   * Makes clones of an instance that runs, which goes on.
   *
   * @returns the clones; their guests wake
   * @throws what `save`, `Instances.createLike` and `Instances.start` throw; clones that were made stay
   */
  async fork(reference: string, options: ForkOptions = {}): Promise<Instance[]> {
    const { count = 1, names = [], signal, onStarted = () => undefined } = options;
    const { record } = await this.#instances.get(reference);
    const publish = options.publish ?? record.options.publish.map(onFreePort);
    const template = await this.save(record.id, { isBrief: true, signal });
    try {
      const clones: Instance[] = [];
      let next = 0;
      const startSome = async (): Promise<void> => {
        while (next < count) {
          const index = next++;
          const { record: made } = await this.#instances.createLike(record, {
            name: names[index],
            publish,
          });
          const boot = { template: template.id };
          const clone = await this.#instances.start(made.id, { boot, signal });
          await this.#mustBeClone(clone);
          clones[index] = clone;
          onStarted(clone);
        }
      };
      await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startSome));
      return clones;
    } finally {
      // The clones have its files open, and nobody else needs it.
      await this.remove(template.id);
    }
  }

  /** A machine that started anew is no copy of anything. */
  async #mustBeClone({ record }: Instance): Promise<void> {
    const boot = record.launch?.boot;
    if (boot?.kind !== "cold") return;
    await this.#instances.remove(record.id, { force: true });
    throw new HostError("WL_TEMPLATE_FAILED", `Cannot fork: ${boot.why ?? "the start was cold"}`, {
      next: "See the log of the instance, and try again",
    });
  }

  /** Machines that were cloned from it go on. @throws {HostError} WL_TEMPLATE_UNKNOWN */
  async remove(reference: string): Promise<Template> {
    const { images, templates } = this.#instances;
    const template = await templates.get(reference);
    await images.unpin(template.id);
    await templates.remove(template.id);
    return template;
  }

  /** Removes what commands that were killed left. @returns the ids */
  async removeLeftovers(): Promise<string[]> {
    const { images, templates } = this.#instances;
    const ids = await templates.removeLeftovers();
    for (const id of ids) await images.unpin(id);
    return ids;
  }
}

/** @throws {HostError} WL_TEMPLATE_FAILED for a program that would have to be cloned with the agent it is part of */
function mustBeProcess({ isolation }: ProgramSpec, name: string): void {
  if (isolation !== "thread") return;
  const why = "its program is a thread of the agent (isolation: thread)";
  throw new HostError("WL_TEMPLATE_FAILED", `Cannot make a template of "${name}": ${why}`, {
    next: 'Build the image with "isolation: process"',
  });
}

function warmUpOf(setting: string | false | undefined): WarmUpRequest {
  if (setting === undefined) return {};
  return setting === false ? { requests: 0 } : { path: setting };
}

function newId(): string {
  return randomBytes(6).toString("hex");
}

/** "shop/web:2" gives "shop-web-2-3f2a". */
function defaultName(of: string, id: string): string {
  const name = of.replace(/[^a-zA-Z0-9_.-]+/g, "-").slice(0, 48) || "template";
  return `${name}-${id.slice(0, 4)}`;
}

function onFreePort(request: PublishRequest): PublishRequest {
  return { ...request, hostPort: undefined };
}
