/** Which accelerator an instance gets: asked for, or found out with a probe guest of its own kernel. */
import { join } from "node:path";
import {
  type AcceleratorChoice,
  type AcceleratorRequest,
  chooseAccelerator,
} from "../qemu/accelerator.ts";
import { cachedProbe } from "../qemu/accelerator-probe.ts";
import type { QemuBinary } from "../qemu/binary.ts";

export interface AcceleratorQuestion {
  readonly request: AcceleratorRequest;
  readonly binary: QemuBinary;
  readonly kernelPath: string;
  /** SHA-256 of the packed kernel, in hex. */
  readonly kernelDigest: string;
  readonly cacheFolder: string;
  readonly signal?: AbortSignal | undefined;
}

/** Where probe results are kept; "windlass doctor" removes it to probe afresh. */
export const probeCachePath = (cacheFolder: string): string =>
  join(cacheFolder, "accelerator-probes.json");

/** @throws {HostError} WL_ACCELERATOR_UNAVAILABLE when "kvm" was asked for and is not usable */
export async function acceleratorFor(question: AcceleratorQuestion): Promise<AcceleratorChoice> {
  const { request, binary, kernelPath, kernelDigest, cacheFolder, signal } = question;
  const probe = { accelerator: "kvm" as const, binary, kernelPath, signal };
  const cachePath = probeCachePath(cacheFolder);
  return await chooseAccelerator(request, {
    probe: () => cachedProbe(probe, { cachePath, kernelDigest }),
  });
}
