/**
 * The guest's calls to the kernel, made to this machine's: pseudo terminals here, the network only in
 * a network namespace of its own. Restarting the machine is not tried.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { loadNativeLibrary } from "../../../../guest/syscalls/koffi.ts";
import { pseudoTerminals } from "../../../../guest/syscalls/pseudo-terminal.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("system calls");

const packagePath = createRequire(import.meta.url).resolve("@koromix/koffi-linux-x64/package.json");
const KOFFI = join(packagePath, "../linux_x64/koffi.node");
const moduleUrl = (path: string): string =>
  JSON.stringify(new URL(`../../../../${path}`, import.meta.url).href);

test("koffi's native file is loaded by path, and calls libc", () => {
  const native = loadNativeLibrary(KOFFI);
  assert.is(native.libc.func("int getpid(void)")(), process.pid);
  assert.is(native.libc.func("int close(int fd)")(-1), -1);
  assert.is(native.errno(), 9); // EBADF
  assert.throws(() => loadNativeLibrary("/nonexistent/koffi.node"), /cannot open shared object/);
});

test("a pseudo terminal carries bytes both ways and has the size it was given", () => {
  const { masterFd, slavePath, resize } = pseudoTerminals(loadNativeLibrary(KOFFI))(132, 43);
  const slaveFd = openSync(slavePath, constants.O_RDWR | constants.O_NOCTTY);
  const size = (): string => {
    const { stdout } = spawnSync("stty", ["size"], { stdio: [slaveFd, "pipe", "inherit"] });
    return stdout.toString().trim();
  };
  try {
    assert.is(size(), "43 132");
    resize(80, 24);
    assert.is(size(), "24 80");
    const buffer = Buffer.alloc(100);
    writeSync(slaveFd, "out\n");
    assert.is(buffer.toString("utf8", 0, readSync(masterFd, buffer)), "out\r\n");
    writeSync(masterFd, "in\n");
    assert.is(buffer.toString("utf8", 0, readSync(slaveFd, buffer)), "in\n");
  } finally {
    closeSync(slaveFd);
    closeSync(masterFd);
  }
});

test("the master side is not inherited", () => {
  const { masterFd } = pseudoTerminals(loadNativeLibrary(KOFFI))(80, 24);
  const { stdout } = spawnSync("ls", ["-l", "/proc/self/fd"]);
  assert.not.ok(stdout.toString().includes("ptmx"));
  closeSync(masterFd);
});

/** Configures the loopback interface of an empty network namespace and prints what came of it. */
const NETWORK_PROGRAM = `
import { readFileSync } from "node:fs";
import { networkInterfaces as seen } from "node:os";
const { loadNativeLibrary } = await import(${moduleUrl("guest/syscalls/koffi.ts")});
const { networkInterfaces } = await import(${moduleUrl("guest/syscalls/network-interface.ts")});
const interfaces = networkInterfaces(loadNativeLibrary(${JSON.stringify(KOFFI)}));
const routes = () => readFileSync("/proc/net/route", "latin1").trim().split("\\n").slice(1)
  .map((line) => line.split("\\t")).map(([name, to, via, , , , , mask]) => [name, to, via, mask].join(" "));
const refused = (action) => { try { action(); return "done"; } catch (error) { return error.message; } };
interfaces.up("lo");
interfaces.setAddress("lo", "10.1.2.3", "255.255.255.0");
const { address, netmask } = seen().lo.find(({ family }) => family === "IPv4");
const everywhere = { destination: "0.0.0.0", mask: "0.0.0.0", device: "lo" };
interfaces.addRoute(everywhere);
interfaces.addRoute(everywhere);
const direct = routes();
interfaces.deleteRoute(everywhere);
interfaces.addRoute({ destination: "0.0.0.0", mask: "0.0.0.0", gateway: "10.1.2.4" });
const gateway = routes();
interfaces.deleteRoute(everywhere);
const errors = [
  refused(() => interfaces.up("none0")),
  refused(() => interfaces.deleteRoute(everywhere)),
  refused(() => interfaces.setAddress("lo", "10.1.2", "255.0.0.0")),
  refused(() => interfaces.setAddress("lo", "10.1.2.256", "255.0.0.0")),
];
interfaces.close();
console.log(JSON.stringify({ address, netmask, direct, gateway, errors }));
`;

const namespace = ["--net", process.execPath, "--import", "tsx", "--input-type=module", "-e"];
const mayUnshare = spawnSync("unshare", ["--net", "true"]).status === 0;
const name = "interfaces get addresses and routes, and what the kernel refuses is said";

if (mayUnshare) {
  test(name, () => {
    const { stdout, stderr } = spawnSync("unshare", [...namespace, NETWORK_PROGRAM], {
      timeout: 25_000,
    });
    assert.is(stderr.toString(), "");
    const { address, netmask, direct, gateway, errors } = JSON.parse(stdout.toString());
    assert.equal([address, netmask], ["10.1.2.3", "255.255.255.0"]);
    assert.ok(direct.includes("lo 00000000 00000000 00000000"), direct.join());
    assert.ok(gateway.includes("lo 00000000 0402010A 00000000"), gateway.join());
    assert.match(errors[0], /errno 19: bring none0 up/); // ENODEV
    assert.match(errors[1], /errno 3: delete the route/); // ESRCH
    assert.match(errors[2], /"10.1.2" is not an IPv4 address/);
    assert.match(errors[3], /"10.1.2.256" is not an IPv4 address/);
  });
} else {
  test.skip("this user may not make a network namespace", name);
}

test.run();
