/** Which accelerator a machine gets, and the one line that says why. */
import { HostError } from "../errors.ts";
import {
  type AcceleratorFacts,
  type AcceleratorVerdict,
  judgeAccelerator,
  readAcceleratorFacts,
} from "./accelerator-facts.ts";
import type { ProbeResult } from "./accelerator-probe.ts";
import type { Accelerator } from "./machine.ts";

export type AcceleratorRequest = "auto" | Accelerator;

export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** One line for the user, for example "emulating (tcg): /dev/kvm does not exist". */
  readonly reason: string;
}

/**
 * Chooses an accelerator. `auto` takes KVM only when it is truly usable: the passive look does not
 * rule it out and the probe guest boots. KVM that the look rules out is never touched.
 *
 * @param options.probe boots the kernel under KVM (`cachedProbe`); without it, a KVM that the passive
 *   look finds healthy is trusted, and one that it doubts is not used
 * @throws {HostError} WL_ACCELERATOR_UNAVAILABLE when "kvm" was asked for and is not usable
 */
export async function chooseAccelerator(
  request: AcceleratorRequest,
  options: {
    readonly facts?: AcceleratorFacts | undefined;
    readonly probe?: (() => Promise<ProbeResult>) | undefined;
  } = {},
): Promise<AcceleratorChoice> {
  if (request === "tcg") return { accelerator: "tcg", reason: "emulating (tcg): as asked" };
  const verdict = judgeAccelerator(options.facts ?? (await readAcceleratorFacts()));
  const problem = await problemWith(verdict, options.probe);
  if (problem === undefined) {
    return { accelerator: "kvm", reason: `accelerated (kvm): ${verdict.reason}` };
  }
  if (request === "auto") return { accelerator: "tcg", reason: `emulating (tcg): ${problem}` };
  throw new HostError("WL_ACCELERATOR_UNAVAILABLE", `Cannot use KVM: ${problem}`, {
    next: verdict.next ?? "Use --accelerator tcg",
  });
}

/** What speaks against KVM; undefined when nothing does. */
async function problemWith(
  verdict: AcceleratorVerdict,
  probe: (() => Promise<ProbeResult>) | undefined,
): Promise<string | undefined> {
  if (verdict.usable === "no") return verdict.reason;
  if (!probe) return verdict.usable === "yes" ? undefined : verdict.reason;
  const { works, reason } = await probe();
  return works ? undefined : `${verdict.reason}; the probe guest ${reason}`;
}
