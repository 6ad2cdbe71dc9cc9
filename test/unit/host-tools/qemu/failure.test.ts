import * as assert from "uvu/assert";
import { explainQemuFailure, QEMU_LAST_LINES } from "../../../../host-tools/qemu/failure.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("qemu failure");

const failed = { exitCode: 1, signal: null };

const cases = [
  [
    "qemu-system-x86_64: -netdev type=user: Could not set up host forwarding rule 'tcp:127.0.0.1:80-:80'",
    "WL_PORT_UNAVAILABLE",
    "tcp:127.0.0.1:80-:80",
  ],
  [
    "Could not access KVM kernel module: Permission denied\nqemu: failed to initialize kvm: Permission denied",
    "WL_ACCELERATOR_UNAVAILABLE",
    "Permission denied",
  ],
  [
    'qemu: Failed to get "write" lock\nIs another process using the image?',
    "WL_QEMU_FAILED",
    "write",
  ],
  ["qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory", "WL_QEMU_FAILED", "memory"],
  ["qemu: invalid kernel header", "WL_QEMU_FAILED", "invalid kernel header"],
] as const;

for (const [stderr, code, words] of cases) {
  test(`knows: ${stderr.split("\n")[0]}`, () => {
    const error = explainQemuFailure(stderr, failed);
    assert.is(error.code, code);
    assert.match(error.message, words);
    assert.ok(error.facts.next);
    assert.is(error.facts.detail?.["stderr"], stderr);
  });
}

test("quotes the last words of what it does not know", () => {
  const error = explainQemuFailure("warning: a\nsomething odd  \n\n", failed);
  assert.is(error.code, "WL_QEMU_FAILED");
  assert.match(
    error.message,
    /exit status 1 before the machine ran; its last words:\n {2}warning: a\n {2}something odd/,
  );
});

test("says how a silent QEMU ended", () => {
  const error = explainQemuFailure("", { exitCode: null, signal: "SIGSYS" });
  assert.match(error.message, "signal SIGSYS");
  assert.match(error.message, "it said nothing");
});

test("carries the last lines only", () => {
  const lines = Array.from({ length: 100 }, (_value, index) => `line ${index}`);
  const { detail } = explainQemuFailure(lines.join("\n"), failed).facts;
  assert.equal(String(detail?.["stderr"]).split("\n"), lines.slice(-QEMU_LAST_LINES));
});

test.run();
