/** `windlass inspect`: instances, and images where no instance has the name. */
import { HostError } from "../../errors.ts";
import { type Instance, Instances } from "../../instance/instances.ts";
import { DEFAULT_HOST_ADDRESS } from "../../network/publish.ts";
import { forEachName } from "../each-name.ts";
import { imageDetails } from "../image-view.ts";
import { instanceView } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"inspect"> = async (invocation) => {
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    try {
      const instance = await instances.get(reference);
      return instanceDetails(instances, instance, invocation.options.tokens);
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

/** The agent's tokens only when they are asked for: this output ends up in bug reports. */
function instanceDetails(instances: Instances, instance: Instance, withTokens: boolean): object {
  const { tokens, ...record } = instance.record;
  const port = instance.state === "running" ? record.launch?.agentPort : undefined;
  return {
    kind: "instance",
    ...instanceView(instance),
    ...record,
    image: record.imageName,
    agent: {
      url: port === undefined ? null : `http://${DEFAULT_HOST_ADDRESS}:${port}`,
      ...(withTokens && { tokens }),
    },
    files: instances.files(instance.record),
  };
}
