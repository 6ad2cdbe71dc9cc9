/**
 * Real KVM, in an emulated host (test/support/nested-host.ts): that Windlass finds it, proves it with a
 * probe guest, uses it and remembers; and on this machine, that what is chosen follows from what is
 * seen. /dev/kvm of this machine is not opened.
 */
import * as assert from "uvu/assert";
import { kernelCommandLine } from "../../host-tools/instance/kernel-command-line.ts";
import type { StopStep } from "../../host-tools/instance/stop.ts";
import { type AcceleratorRequest, chooseAccelerator } from "../../host-tools/qemu/accelerator.ts";
import { judgeAccelerator, readAcceleratorFacts } from "../../host-tools/qemu/accelerator-facts.ts";
import type { ProbeResult } from "../../host-tools/qemu/accelerator-probe.ts";
import { type NestedHostRun, nestedHostMissing, runNestedHost } from "../support/nested-host.ts";
import { type CommandResult, NESTED, type NestedResults } from "../support/nested-host-steps.ts";
import { machineRig } from "../support/rig.ts";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";

/** The host VM and what runs in it take a fifth of that on two idle, slow cores. */
const NESTED_TIMEOUT_MS = MACHINE_TIMEOUT_MS - 60_000;

const missing = await nestedHostMissing();
let nested: NestedHostRun;

const test = suite("KVM", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  ...(missing === undefined && {
    async setup() {
      await using rig = await machineRig();
      const image = await rig.build("hello-http", { name: NESTED.image });
      nested = await runNestedHost({ rig, image, timeoutMs: NESTED_TIMEOUT_MS });
    },
  }),
});

function withKvm(name: string, body: () => void): void {
  if (missing === undefined) test(name, body);
  else test.skip(missing, name);
}

/** A step's result; a step that was not reached fails the test with the reason. */
function result<Step extends keyof NestedResults>(step: Step): NestedResults[Step] {
  const found: NestedResults[Step] | undefined = nested.results[step];
  if (found !== undefined) return found;
  const { results, problem = "the host VM ended early", console } = nested;
  throw new Error(`step "${step}" was not reached: ${results.failure ?? `${problem}\n${console}`}`);
}

/** The steps that are commands. */
type CommandStep = {
  [Step in keyof NestedResults]: NestedResults[Step] extends CommandResult ? Step : never;
}[keyof NestedResults];

/** What a command printed, which must have succeeded. */
function outputOf(step: CommandStep): string {
  const { args, exitCode, stdout, stderr } = result(step);
  assert.is(exitCode, 0, `windlass ${args.join(" ")}: ${stderr}`);
  return stdout;
}

withKvm("the host VM has KVM, and doctor says so without opening it", () => {
  const { healthy, checks } = JSON.parse(outputOf("doctor"));
  assert.ok(healthy, result("doctor").stdout);
  const kvm = checks.find((check: { name: string }) => check.name === "KVM");
  assert.equal(kvm, { name: "KVM", status: "ok", reason: "kvm_amd with svm", remedy: null });
});

withKvm("run chooses KVM by itself, and the program answers", () => {
  const view = JSON.parse(outputOf("run"));
  assert.is(view.accelerator, "kvm");
  assert.is(view.acceleratorReason, "accelerated (kvm): kvm_amd with svm");
  assert.is(view.readiness, "ready");
  assert.is(result("answer"), "Hello from Windlass\n");
  const argv = result("qemuArgv");
  assert.is(argv[argv.indexOf("-accel") + 1], "kvm");
  assert.is(argv[argv.indexOf("-cpu") + 1], "host");
});

withKvm("the guest's kernel sees KVM, and nothing that is meant for emulation", () => {
  const words = JSON.parse(outputOf("kernelCommandLine")).trim().split(" ");
  assert.equal(
    words,
    kernelCommandLine({ accelerator: "kvm", isDebian: true, vcpuCount: 1 }).split(" "),
  );
  const accelerated = new Set(
    kernelCommandLine({ accelerator: "kvm", isDebian: true, vcpuCount: 1 }).split(" "),
  );
  const emulationOnly = kernelCommandLine({ accelerator: "tcg", isDebian: true, vcpuCount: 1 })
    .split(" ")
    .filter((word) => !accelerated.has(word));
  assert.ok(emulationOnly.length > 0);
  for (const word of emulationOnly) assert.not.ok(words.includes(word), word);
  assert.match(outputOf("exec"), /\bkvm-clock\b/);
});

withKvm("stop asks the program, then the machine, which powers off", () => {
  const [{ state, steps }] = JSON.parse(outputOf("stop"));
  assert.is(state, "exited");
  assert.equal(
    steps.map(({ step, ended }: StopStep) => [step, ended]),
    [
      ["program", false],
      ["poweroff", true],
    ],
    result("stop").stdout,
  );
});

withKvm("one probe guest is enough for two starts", () => {
  const [probe, ...others] = JSON.parse(result("probesAfterRun"));
  assert.is(probe.result.works, true, result("probesAfterRun"));
  assert.is(probe.result.reason, "booted");
  assert.match(probe.key, /\|kvm$/);
  assert.equal(others, []);
  const [view] = JSON.parse(outputOf("start"));
  assert.equal([view.accelerator, view.readiness], ["kvm", "ready"]);
  assert.is(result("probesAfterStart"), result("probesAfterRun"));
});

withKvm("emulation that is asked for is what one gets; Ctrl-C leaves nothing", () => {
  outputOf("remove");
  const { exitCode, stderr } = result("forcedTcg");
  assert.match(stderr, /^emulating \(tcg\): as asked/);
  assert.is(exitCode, 130);
  assert.equal(JSON.parse(outputOf("list")), []);
});

withKvm("nothing failed beside", () => {
  assert.is(result("failure"), null);
  assert.not.match(nested.console, /Kernel panic|Oops|BUG:/);
});

test("on this machine the choice follows from what is seen", async () => {
  const facts = await readAcceleratorFacts();
  const { usable, reason } = judgeAccelerator(facts);
  const choose = (request: AcceleratorRequest, works: boolean) => {
    const probe = async (): Promise<ProbeResult> => ({ works, reason: "told so", durationMs: 0 });
    return chooseAccelerator(request, { facts, probe });
  };
  const emulated = await choose("auto", false);
  assert.is(emulated.accelerator, "tcg");
  assert.ok(emulated.reason.startsWith(`emulating (tcg): ${reason}`), emulated.reason);
  assert.is((await choose("auto", true)).accelerator, usable === "no" ? "tcg" : "kvm");
  assert.equal(await choose("tcg", true), {
    accelerator: "tcg",
    reason: "emulating (tcg): as asked",
  });
  const forced = await choose("kvm", true).catch((error) => error);
  if (usable === "no") assert.is(forced.code, "WL_ACCELERATOR_UNAVAILABLE");
  else assert.is(forced.accelerator, "kvm");
});

test.run();
