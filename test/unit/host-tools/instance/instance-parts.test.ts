/** The pure parts: states, names, addresses, documents, descriptions, command lines. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { Value } from "typebox/value";
import * as assert from "uvu/assert";
import { InstanceDocument } from "../../../../guest/api/instance-document.ts";
import type { HostError } from "../../../../host-tools/errors.ts";
import { instanceDocument } from "../../../../host-tools/instance/document.ts";
import { signalStatus } from "../../../../host-tools/instance/exit-code.ts";
import { instanceFiles } from "../../../../host-tools/instance/instance-files.ts";
import { generatedName } from "../../../../host-tools/instance/instance-name.ts";
import {
  hostnameOf,
  isInstanceName,
  macAddressOf,
} from "../../../../host-tools/instance/instance-record.ts";
import {
  checkLegal,
  type InstanceAction,
  type InstanceState,
  isLegal,
} from "../../../../host-tools/instance/instance-state.ts";
import { kernelCommandLine } from "../../../../host-tools/instance/kernel-command-line.ts";
import { machineDescription, uuidOf } from "../../../../host-tools/instance/machine-description.ts";
import { qemuArguments } from "../../../../host-tools/qemu/command-line.ts";
import { suite } from "../../../support/suite.ts";
import { instanceRecord } from "./instance-fixture.ts";

const test = suite("instance parts");

const hexId = fc.stringMatching(/^[0-9a-f]{12}$/);
const anyName = fc.string({ minLength: 1, maxLength: 63 }).filter(isInstanceName);

test("which action is legal in which state is one table", () => {
  const states: readonly InstanceState[] = ["created", "running", "suspended", "exited"];
  const table: Record<InstanceAction, readonly boolean[]> = {
    start: [true, false, false, true],
    stop: [false, true, true, false],
    restart: [true, true, true, true],
    kill: [false, true, true, false],
    wait: [false, true, true, true],
    remove: [true, false, false, true],
    suspend: [false, true, false, false],
    resume: [false, false, true, false],
    checkpoint: [false, true, true, false],
    talk: [false, true, false, false],
  };
  for (const [action, expected] of Object.entries(table) as [InstanceAction, boolean[]][]) {
    assert.equal(
      states.map((state) => isLegal(action, state)),
      expected,
      action,
    );
    for (const state of states) {
      const check = (): void => checkLegal(action, state, "web");
      if (isLegal(action, state)) {
        check();
        continue;
      }
      assert.throws(check, (error: HostError) => {
        assert.is(error.code, "WL_INSTANCE_STATE");
        assert.match(error.message, new RegExp(`^Cannot .* instance "web": it is ${state}$`));
        return Boolean(error.facts.next);
      });
    }
  }
  assert.throws(
    () => checkLegal("talk", "suspended", "web"),
    (error: HostError) => error.facts.next === 'Continue it with "windlass resume web"',
  );
});

test("instance names are Docker's, as long as a host name", () => {
  for (const name of ["a", "web-1", "Web_1.x", "9", "a".repeat(63)])
    assert.ok(isInstanceName(name));
  for (const name of ["", "-a", ".a", "_a", "a b", "a/b", "a\n", "ä", "a".repeat(64)]) {
    assert.not.ok(isInstanceName(name), JSON.stringify(name));
  }
});

test("every name gives a host name that the guest accepts", () => {
  const pattern = /^[A-Za-z0-9]([A-Za-z0-9-]{0,62})$/;
  fc.assert(fc.property(anyName, (name) => pattern.test(hostnameOf(name))));
  assert.is(hostnameOf("web_1.x"), "web-1-x");
  assert.is(hostnameOf("..."), "windlass");
});

test("a MAC address is of one machine, locally administered, from the id", () => {
  fc.assert(
    fc.property(hexId, (id) => {
      const bytes = macAddressOf(id)
        .split(":")
        .map((part) => Number.parseInt(part, 16));
      assert.is(bytes.length, 6);
      assert.is((bytes[0] ?? 0) & 3, 2);
    }),
  );
  assert.is(macAddressOf("0123456789ab"), "52:57:01:23:45:67");
  assert.match(
    uuidOf("0123456789ab"),
    /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-0123456789ab$/,
  );
});

test("a generated name is valid and free", () => {
  const taken = new Set<string>();
  for (let count = 0; count < 600; count += 1) {
    const name = generatedName(taken);
    assert.ok(isInstanceName(name), name);
    assert.not.ok(taken.has(name), name);
    taken.add(name);
  }
});

test("the document is what the guest's schema asks for, whatever the name", () => {
  fc.assert(
    fc.property(anyName, hexId, fc.constantFrom("static", "dhcp"), (name, id, address) => {
      const record = instanceRecord({ name, id });
      const options = { ...record.options, address } as const;
      const document = instanceDocument({ ...record, options });
      assert.ok(Value.Check(InstanceDocument, document), JSON.stringify(document));
      assert.is(document.network.mode, address);
    }),
  );
});

test("the document says where a scratch disk goes, and nothing where there is none", () => {
  const record = instanceRecord();
  assert.not.ok("scratch" in instanceDocument(record));
  const scratch = { sizeMib: 64, path: "/data" };
  const document = instanceDocument({ ...record, options: { ...record.options, scratch } });
  assert.ok(Value.Check(InstanceDocument, document));
  assert.equal(document.scratch, { path: "/data" });
});

test("the document holds no token in the clear", () => {
  const record = instanceRecord();
  const text = JSON.stringify(instanceDocument(record));
  for (const token of Object.values(record.tokens)) {
    assert.not.ok(text.includes(token));
    assert.ok(text.includes(createHash("sha256").update(token).digest("hex")));
  }
});

test("every instance gives a machine that QEMU's command line can be made of", () => {
  const folders = { data: "/data, with comma", cache: "/c", runtime: "/run/windlass" };
  const memory = fc.integer({ min: 16, max: 1_000_000 });
  fc.assert(
    fc.property(
      anyName,
      hexId,
      memory,
      fc.constantFrom("kvm", "tcg"),
      (name, id, memoryMib, accelerator) => {
        const base = instanceRecord({ id, name, macAddress: macAddressOf(id) });
        const record = { ...base, options: { ...base.options, memoryMib } };
        const files = instanceFiles(folders, id);
        const machine = machineDescription({
          ...{ record, files, accelerator },
          kernelPath: "/k",
          firstStagePath: "/i",
          basePath: "/b",
          isDebianKernel: true,
          rootPath: "/p",
          mode: { kind: "cold" },
          forwards: [{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 1, guestPort: 8000 }],
        });
        assert.equal(
          machine.disks.map((disk) => [disk.path, disk.readOnly]),
          [
            ["/b", true],
            ["/p", true],
          ],
        );
        const line = qemuArguments(machine);
        assert.ok(line.includes(files.pid), "the pid file stands alone: observation looks for it");
        const text = line.join(" ");
        for (const secret of Object.values(record.tokens)) assert.not.ok(text.includes(secret));
      },
    ),
  );
});

test("a socket's path fits into a Unix address", () => {
  const folders = { data: "/d", cache: "/c", runtime: "/run/user/4294967295/windlass" };
  assert.ok(Buffer.byteLength(instanceFiles(folders, "0123456789ab").qmpSocket) < 108);
});

test("the kernel's command line ends on a panic and talks on the serial port", () => {
  for (const accelerator of ["kvm", "tcg"] as const) {
    const words = kernelCommandLine({ accelerator, isDebian: true, vcpuCount: 1 }).split(" ");
    for (const word of ["console=ttyS0", "panic=-1", "quiet"]) assert.ok(words.includes(word));
    assert.is(
      words.includes("mitigations=off"),
      accelerator === "tcg",
      "hardware keeps its shields",
    );
  }
});

test("signals have the numbers of this system", () => {
  assert.is(signalStatus("SIGKILL"), 137);
  assert.is(signalStatus("SIGTERM"), 143);
  for (const name of ["SIGNOTHING", "toString", "__proto__", "constructor", ""]) {
    assert.is(signalStatus(name), 128, name);
  }
});

test.run();
