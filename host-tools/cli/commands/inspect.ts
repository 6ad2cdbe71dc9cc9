/** `windlass inspect`: instances, and images where no instance has the name. */
import { HostError } from "../../errors.ts";
import { type Instance, Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import { imageDetails } from "../image-view.ts";
import { instanceView } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"inspect"> = async (invocation) => {
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    try {
      return instanceDetails(instances, await instances.get(reference));
    } catch (error) {
      if (!(error instanceof HostError && error.code === "WL_INSTANCE_UNKNOWN")) throw error;
      const image = await instances.images.find(reference);
      if (image) return imageDetails(image);
      throw new HostError("WL_INSTANCE_UNKNOWN", `There is no instance or image "${reference}"`, {
        next: '"windlass ps -a" and "windlass images" list them',
      });
    }
  });
  await invocation.output.json(results);
  return status;
};

/** Everything but the agent's tokens, which would end up in bug reports. */
function instanceDetails(instances: Instances, instance: Instance): object {
  const { tokens: _tokens, ...record } = instance.record;
  return {
    kind: "instance",
    ...instanceView(instance),
    ...record,
    image: record.imageName,
    files: instances.files(instance.record),
  };
}
