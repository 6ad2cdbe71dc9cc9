/** Unmodified programs of this host in a guest that has nothing else: one boot for all of them. */
import * as assert from "uvu/assert";
import { bootMissing, machineRig, type Rig } from "../support/rig.ts";
import { suite } from "../support/suite.ts";

const missing = await bootMissing();
let rig: Rig;

const test = suite("native programs in a guest", {
  timeoutMs: 240_000,
  ...(missing === undefined && {
    async setup() {
      rig = await machineRig();
    },
    async teardown() {
      await rig?.[Symbol.asyncDispose]();
    },
  }),
});

/** A script, so that its interpreter has to come along; it ends with a status of its own. */
const TASKS = `#!/bin/sh
set -e
/usr/bin/python3 -c 'import hashlib, json, ssl; print("python", json.dumps([6 * 7]), ssl.OPENSSL_VERSION[:7])'
echo "curl $(/usr/bin/curl --version | { read -r name rest; echo $name; })"
cd /tmp
/usr/bin/git init -q work
cd work
/usr/bin/git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first
echo "git $(/usr/bin/git log --format=%s)"
exit 9
`;

const MANIFEST = `runtime: native
command: ./tasks
include: [/usr/bin/python3, /usr/bin/curl, /usr/bin/git]
memory: 512M
`;

const name = "python3, curl and git do their work under a shell script, whose exit status arrives";
if (missing !== undefined) test.skip(missing, name);
else {
  test(name, async () => {
    const folder = await rig.project("tasks", { tasks: TASKS, "windlass.yaml": MANIFEST });
    await rig.build(folder, { name: "tasks" });
    const { instance } = await rig.boot({ image: "tasks" });
    const end = await rig.instances.wait(instance.record.id);
    let output = "";
    for await (const record of rig.instances.journal(instance)) {
      if (record.kind === "output") output += record.text;
    }
    assert.is(end.exitCode, 9, output);
    assert.match(output, "python [42] OpenSSL");
    assert.match(output, "curl curl");
    assert.match(output, "git first");
  });
}

test.run();
