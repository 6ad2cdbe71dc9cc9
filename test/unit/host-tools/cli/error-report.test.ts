import * as assert from "uvu/assert";
import { errorJson, errorText, reportOf } from "../../../../host-tools/cli/error-report.ts";
import { Interrupted, OutputClosed } from "../../../../host-tools/cli/interrupts.ts";
import { HostError } from "../../../../host-tools/errors.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/error-report");

test("shows message, code, causes and the next step", () => {
  const cause = new Error("connect ECONNREFUSED", { cause: new Error("deep") });
  const error = new HostError("WL_GUEST_UNREACHABLE", "Cannot reach it", { next: "Wait" }, cause);
  const text = errorText(reportOf(error));
  assert.is(
    text,
    "error[WL_GUEST_UNREACHABLE]: Cannot reach it\n" +
      "  because: connect ECONNREFUSED\n  because: deep\nnext: Wait",
  );
});

test("leaves out causes that the message repeats", () => {
  const cause = new Error("disk full");
  const error = new HostError("WL_HOST_IO", "Cannot write: disk full", {}, cause);
  assert.is(errorText(reportOf(error)), "error[WL_HOST_IO]: Cannot write: disk full");
});

test("adds the position when the message has none", () => {
  const facts = { file: "/p/windlass.yaml", line: 3, column: 7 };
  const error = new ImageError("WL_IMAGE_MANIFEST_INVALID", 'Unknown key "prots"', facts);
  assert.match(reportOf(error).message, "(/p/windlass.yaml, line 3, column 7)");
  const told = new ImageError("WL_IMAGE_MANIFEST_INVALID", "Bad in /p/windlass.yaml:3:7", facts);
  assert.is(reportOf(told).message, "Bad in /p/windlass.yaml:3:7");
});

test("gives each kind of end its exit status", () => {
  assert.is(reportOf(new HostError("WL_USAGE", "x")).exitCode, 2);
  assert.is(reportOf(new HostError("WL_HOST_IO", "x")).exitCode, 1);
  assert.is(reportOf(new Error("x")).exitCode, 1);
  assert.is(reportOf(new Interrupted("SIGINT")).exitCode, 130);
  assert.is(reportOf(new Interrupted("SIGTERM")).exitCode, 143);
  assert.is(reportOf(new OutputClosed()).exitCode, 0);
});

test("calls a fault a fault, and a full disk a full disk", () => {
  assert.is(reportOf(new TypeError("undefined is not")).code, "WL_INTERNAL");
  assert.is(reportOf("text").code, "WL_INTERNAL");
  const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write" });
  assert.is(reportOf(full).code, "WL_HOST_IO");
});

test("writes JSON with the same facts", () => {
  const error = new HostError("WL_USAGE", "Bad", { next: "Good" });
  const { error: value } = JSON.parse(errorJson(reportOf(error)));
  assert.equal(value, { code: "WL_USAGE", message: "Bad", next: "Good", causes: [] });
});

test("makes what a guest said harmless", () => {
  const error = new HostError("WL_BOOT_FAILED", "Console:\n\x1b[2Jboo");
  assert.match(errorText(reportOf(error)), "Console:\n\\x1b[2Jboo");
});

test.run();
