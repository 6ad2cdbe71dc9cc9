/** `windlass/host`: images become running programs. */
export { HostError, type HostErrorCode, type HostErrorFacts } from "./errors.ts";
export {
  createGuestClient,
  type GuestClient,
  type GuestClientOptions,
} from "./guest-client/guest-client.ts";
export type { End, InstanceRecord, Launch } from "./instance/instance-record.ts";
export type { InstanceState } from "./instance/instance-state.ts";
export { type Instance, Instances } from "./instance/instances.ts";
export type { CreateOptions } from "./instance/new-record.ts";
export type { Readiness } from "./instance/readiness.ts";
export type { StopStep } from "./instance/stop.ts";
export { type PublishRequest, parsePublish } from "./network/publish.ts";
export type { AcceleratorRequest } from "./qemu/accelerator.ts";
export type { Accelerator, PortForward } from "./qemu/machine.ts";
export {
  type ExecOptions,
  type RunningInstance,
  type RunningInstanceJson,
  type RunOptions,
  run,
} from "./run.ts";
