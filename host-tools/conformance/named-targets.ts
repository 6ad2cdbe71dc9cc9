/** What `--on` names, each checked before the first is opened: a run takes minutes. */
import { HostError } from "../errors.ts";
import { Instances } from "../instance/instances.ts";
import { type ImageTargetOptions, openImageTarget, openInstanceTarget } from "./guest-target.ts";
import { openHostTarget } from "./host-target.ts";
import type { Target, TargetWaiting } from "./target.ts";

export interface NamedTarget {
  readonly name: string;
  open(waiting: TargetWaiting): Promise<Target>;
}

/**
 * @param names "host", or an instance's or an image's; an instance goes before an image
 * @param machine the instance that an image is made into
 * @throws {HostError} WL_USAGE for a name that is none of them
 */
export async function namedTargets(
  names: readonly string[],
  machine: Omit<ImageTargetOptions, "image">,
  instances: Instances = new Instances(),
): Promise<NamedTarget[]> {
  const records = (await instances.list()).map(({ record }) => record);
  const found: NamedTarget[] = [];
  for (const name of names) {
    if (name === "host") {
      found.push({ name, open: openHostTarget });
    } else if (records.some((record) => record.name === name || record.id === name)) {
      found.push({ name, open: () => openInstanceTarget(name, instances) });
    } else if (await instances.images.find(name)) {
      const options = { ...machine, image: name };
      found.push({ name, open: (waiting) => openImageTarget(options, instances, waiting) });
    } else {
      throw new HostError("WL_USAGE", `${JSON.stringify(name)} is no instance and no image`, {
        next: 'Write --on host, or a name that "windlass ps" or "windlass images" shows',
      });
    }
  }
  return found;
}
