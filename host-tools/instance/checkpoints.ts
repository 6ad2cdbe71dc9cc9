/** The checkpoints of this host: everything that can be done with them. */
import { randomBytes } from "node:crypto";
import { HostError } from "../errors.ts";
import { checkHostPortFree } from "../network/host-port.ts";
import type { PublishRequest } from "../network/publish.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { takeCheckpoint } from "./checkpoint-creation.ts";
import { invalid, restoreMachine } from "./checkpoint-restore.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import type { Instance, Instances, Waiting } from "./instances.ts";

export interface RestoreOptions extends Waiting {
  /** Default: the name of the saved instance if it is free, else one is made up. */
  readonly name?: string | undefined;
  /** Default: the saved instance's ports; those that are taken are replaced by free ones. */
  readonly publish?: readonly PublishRequest[] | undefined;
}

export class Checkpoints {
  readonly store: CheckpointStore;
  readonly #instances: Instances;

  constructor(instances: Instances) {
    this.#instances = instances;
    this.store = new CheckpointStore(instances.store.folders.data);
  }

  /**
   * Saves an instance, which goes on.
   *
   * @param options.name of the checkpoint; default: made of the instance's
   * @throws what `takeCheckpoint` throws; {HostError} WL_INSTANCE_STATE
   */
  async take(
    reference: string,
    { name, signal }: Waiting & { readonly name?: string | undefined } = {},
  ): Promise<{ checkpoint: Checkpoint; warning: string | undefined }> {
    const { images, store } = this.#instances;
    await this.removeLeftovers();
    const context = { checkpoints: this.store, images, cacheFolder: store.folders.cache, signal };
    const id = randomBytes(6).toString("hex");
    return await this.#instances.whileUp(reference, { signal }, async (source) => {
      const identity = { id, name: name ?? `${source.record.name}-${id.slice(0, 4)}` };
      return await takeCheckpoint(source, identity, context);
    });
  }

  /**
   * Makes an instance that goes on where the checkpoint was taken, and starts it.
   *
   * @throws {HostError} WL_CHECKPOINT_UNKNOWN, WL_CHECKPOINT_INVALID, and what `restoreMachine` throws; no
   *   instance is left then
   */
  async restore(
    reference: string,
    { name, publish, signal }: RestoreOptions = {},
  ): Promise<Instance> {
    const { images, store } = this.#instances;
    const checkpoint = await this.store.get(reference);
    const damage = await this.store.damage(checkpoint);
    if (damage !== undefined) {
      throw invalid(checkpoint, damage, "Put its files back as they were, or restore another one");
    }
    const original = checkpoint.instance;
    const present = await store.list();
    const isTaken = present.some((one) => one.name === original.name);
    const isThere = present.some((one) => one.macAddress === original.macAddress);
    const { record } = await this.#instances.createLike(original, {
      name: name ?? (isTaken ? undefined : original.name),
      publish: publish ?? (await freePorts(original.options.publish)),
      macAddress: isThere ? undefined : original.macAddress,
    });
    const context = { store, images, checkpoints: this.store, signal };
    try {
      return await this.#instances.startAs(record.id, { signal }, (made) =>
        restoreMachine(made, checkpoint, context),
      );
    } catch (error) {
      await this.#instances.remove(record.id, { force: true });
      throw error;
    }
  }

  /** Machines that were restored from it go on. @throws {HostError} WL_CHECKPOINT_UNKNOWN */
  async remove(reference: string): Promise<Checkpoint> {
    const checkpoint = await this.store.get(reference);
    await this.store.remove(checkpoint.id);
    await this.#instances.images.unpin(checkpoint.id);
    return checkpoint;
  }

  /** Removes what commands that were killed left. @returns the ids */
  async removeLeftovers(): Promise<string[]> {
    const ids = await this.store.removeLeftovers();
    for (const id of ids) await this.#instances.images.unpin(id);
    return ids;
  }
}

/** Those that are taken by now are left to be chosen. */
async function freePorts(requests: readonly PublishRequest[]): Promise<PublishRequest[]> {
  const result: PublishRequest[] = [];
  for (const request of requests) {
    const { protocol, hostAddress: address, hostPort: port } = request;
    const isFree =
      port === undefined ||
      (await checkHostPortFree({ protocol, address, port }).then(
        () => true,
        (error) => {
          if (error instanceof HostError && error.code === "WL_PORT_UNAVAILABLE") return false;
          throw error;
        },
      ));
    result.push(isFree ? request : { ...request, hostPort: undefined });
  }
  return result;
}
