import * as assert from "uvu/assert";
import { endText } from "../../../../host-tools/conformance/outcome-text.ts";
import type { Outcome } from "../../../../host-tools/conformance/target.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("how a command ended");

function ended(change: Partial<Omit<Outcome, "stderr">> & { stderr?: string }): string {
  const stderr = Buffer.from(change.stderr ?? "");
  const outcome = { exitCode: 0, signal: null, timedOut: false, startedAtMs: 0, endedAtMs: 1 };
  const sizes = { stdoutSizeBytes: 0, stderrSizeBytes: stderr.length };
  return endText({ ...outcome, ...sizes, ...change, stdout: Buffer.alloc(0), stderr });
}

test("a status, a signal, or its time; and its last words", () => {
  assert.is(ended({ exitCode: 7 }), "ended with 7");
  assert.is(ended({ exitCode: 1, stderr: "a\nb\n\n" }), "ended with 1: b");
  assert.is(ended({ exitCode: null, signal: "SIGSEGV" }), "was killed by SIGSEGV");
  assert.is(
    ended({ timedOut: true, stderr: "waiting\u001b[2J" }),
    "took too long: waiting\ufffd[2J",
  );
});

/** As OpenJDK 17 prints it. */
const JVM_REPORT = `some words before
#
# A fatal error has been detected by the Java Runtime Environment:
#
#  SIGSEGV (0xb) at pc=0x00007fffe10c3fc0, pid=291, tid=292
#
# JRE version: OpenJDK Runtime Environment (17.0.15+6)
# Problematic frame:
# J 593 c1 Program.need(ZLjava/lang/Object;)V (14 bytes) @ 0x00007fffe10c3fc0
#
# If you would like to submit a bug report, please visit:
#   https://bugs.example/openjdk-17
#
`;

test("a JVM's report is read for the signal and its place", () => {
  assert.is(
    ended({ exitCode: null, signal: "SIGABRT", stderr: JVM_REPORT }),
    "was killed by SIGABRT: SIGSEGV (0xb) at pc=0x00007fffe10c3fc0, pid=291, tid=292, " +
      "in J 593 c1 Program.need(ZLjava/lang/Object;)V (14 bytes) @ 0x00007fffe10c3fc0",
  );
  const short = JVM_REPORT.slice(0, JVM_REPORT.indexOf("#\n#  SIGSEGV"));
  assert.match(ended({ exitCode: 134, stderr: short }), /^ended with 134: /);
});

test.run();
