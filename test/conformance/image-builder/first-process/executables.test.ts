/**
 * What binutils read in the emitted executables. `/init` and the first stage are only looked at, never
 * started: they would power off the machine that runs the tests.
 */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { firstStageExecutable } from "../../../../image-builder/first-process/first-stage.ts";
import { initExecutable } from "../../../../image-builder/first-process/init.ts";
import { SYSTEM_CALL } from "../../../../image-builder/first-process/linux-call.ts";
import { starterExecutable } from "../../../../image-builder/first-process/starter.ts";
import { terminalHelperExecutable } from "../../../../image-builder/first-process/terminal-helper.ts";
import { trimHelperExecutable } from "../../../../image-builder/first-process/trim-helper.ts";
import { userHelperExecutable } from "../../../../image-builder/first-process/user-helper.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("emitted executables");

const executables = {
  init: initExecutable({
    argv: ["/usr/local/bin/node", "--flag=1", "/usr/lib/windlass/init.js"],
    environment: { PATH: "/usr/bin:/bin", HOME: "/root" },
  }),
  "first stage": firstStageExecutable({ modules: ["/modules/a.ko", "/modules/b.ko"] }),
  "terminal helper": terminalHelperExecutable(),
  "trim helper": trimHelperExecutable(),
  "user helper": userHelperExecutable(),
  starter: starterExecutable({
    hostname: "web",
    hosts: "127.0.0.1 localhost web\n",
    network: {
      device: "eth0",
      address: "10.0.2.15/24",
      gateway: "10.0.2.2",
      nameservers: ["10.0.2.3"],
    },
    agentPort: 8000,
    argv: ["/usr/local/bin/node", "/app/server.js"],
    environment: { HOME: "/root", GREETING: "hello" },
    workdir: "/app",
  }),
};

async function binutils(program: string, args: readonly string[], bytes: Uint8Array) {
  await using folder = await temporaryFolder();
  const path = folder.file("program");
  await writeFile(path, bytes); // Deliberately not executable.
  const { status, stdout, stderr } = spawnSync(program, [...args, path]);
  return { status, text: stdout.toString(), complaint: stderr.toString() };
}

/** The instructions from the entry to where the data begin, as objdump reads them. */
async function instructions(bytes: Uint8Array): Promise<string[]> {
  const raw = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn"];
  const { text } = await binutils("objdump", [...raw, "--start-address=120"], bytes);
  return text.split("\n").flatMap((line) => /^\s+[0-9a-f]+:\s+(.*\S)/.exec(line)?.[1] ?? []);
}

/** Numbers of the system calls in the order of the code. */
async function systemCalls(bytes: Uint8Array): Promise<number[]> {
  const lines = await instructions(bytes);
  return lines.flatMap((line, index) => {
    const load = /^movabs rax,0x([0-9a-f]+)$/.exec(lines[index - 1] ?? "")?.[1];
    return line === "syscall" && load !== undefined ? [Number.parseInt(load, 16)] : [];
  });
}

const missing = ["readelf", "objdump"].filter((name) => spawnSync(name, ["-v"]).error);

function check(name: string, body: () => Promise<void>): void {
  if (missing.length === 0) test(name, body);
  else test.skip(`${missing.join(", ")} of binutils is missing`, name);
}

check(
  "readelf finds a static executable with one segment and nothing to complain about",
  async () => {
    for (const [name, bytes] of Object.entries(executables)) {
      const { status, text, complaint } = await binutils("readelf", ["-hlW"], bytes);
      assert.is(status, 0, name);
      assert.is(complaint, "", name);
      assert.match(text, /Type:\s+EXEC/);
      assert.match(text, /Machine:\s+Advanced Micro Devices X86-64/);
      assert.match(text, /Entry point address:\s+0x400078/);
      assert.match(text, /Number of program headers:\s+1/);
      assert.match(text, /LOAD\s+0x0+ 0x0+400000 .* RWE 0x1000/);
      assert.not.match(text, /INTERP|DYNAMIC/);
    }
  },
);

check("objdump knows every instruction of the code", async () => {
  for (const [name, bytes] of Object.entries(executables)) {
    const lines = await instructions(bytes);
    const end = lines.lastIndexOf("syscall");
    assert.ok(end > 0, name);
    assert.not.ok(
      lines.slice(0, end).some((line) => /\(bad\)/.test(line)),
      name,
    );
  }
});

check(
  "init mounts, starts the program in a session of its own, reaps, and ends the machine",
  async () => {
    const calls = await systemCalls(executables.init);
    const { mkdir, mount, symlink, setrlimit, fork, setsid, execve, write, exit, wait4 } =
      SYSTEM_CALL;
    const { open, read, close, unlink, sync, socket, ioctl, reboot, nanosleep } = SYSTEM_CALL;
    assert.equal(calls, [
      ...[mkdir, mkdir, mount, mount, mount, mount, mount, mount],
      ...[symlink, symlink, symlink, symlink, setrlimit],
      ...[fork, setsid, open, open, read, write, close, close, execve, unlink],
      ...[execve, write, exit, wait4, sync, socket, ioctl, reboot, nanosleep],
    ]);
  },
);

check(
  "the starter sets names and network, takes the agent's port, starts the program, is the agent",
  async () => {
    const calls = await systemCalls(executables.starter);
    const { unlink, dup2, sethostname, open, write, close, socket, ioctl, fork } = SYSTEM_CALL;
    const { setsockopt, bind, listen, dup3, socketpair, setsid, chdir, execve } = SYSTEM_CALL;
    const { pwrite, exit, setpriority, fcntl } = SYSTEM_CALL;
    const file = [open, write, close];
    const port = [socket, setsockopt, bind, listen, dup3, close, close];
    assert.equal(calls, [
      ...[unlink, dup3, dup3, dup3, sethostname, ...file],
      ...[...file, socket, ioctl, ioctl, ioctl, ioctl, ioctl, close, ...file, ...file],
      ...[...port, ...port],
      ...[socketpair, dup3, close, socketpair, dup3, close, open, fork],
      ...[setsid, open, dup2, dup2, dup2, chdir, execve, pwrite, exit],
      ...[pwrite, close, close, close],
      ...[setpriority, ...file, ...file, fcntl, fcntl, fcntl, execve, exit],
    ]);
  },
);

check(
  "the first stage loads each module, mounts both devices and the overlay, changes the root",
  async () => {
    const calls = await systemCalls(executables["first stage"]);
    const count = (number: number): number => calls.filter((call) => call === number).length;
    assert.is(count(SYSTEM_CALL.finitModule), 2);
    // devtmpfs, base, program, tmpfs, overlay, and the two moves.
    assert.is(count(SYSTEM_CALL.mount), 7);
    const end = calls.slice(calls.indexOf(SYSTEM_CALL.chroot));
    const { chroot, write, execve, reboot, nanosleep } = SYSTEM_CALL;
    // The agent's own /init, if it lies apart from the program's root, else that of the root.
    assert.equal(end, [chroot, write, execve, execve, write, reboot, nanosleep]);
  },
);

check("the trim helper is the first to end before it takes any memory", async () => {
  const calls = await systemCalls(executables["trim helper"]);
  const { open, write, sysinfo, mmap, exit } = SYSTEM_CALL;
  assert.equal(calls, [open, write, sysinfo, mmap, exit]);
  const text = Buffer.from(executables["trim helper"]).toString("latin1");
  assert.match(text, /1000\0/);
  assert.match(text, "/proc/self/oom_score_adj\0");
});

test("init refuses an empty command", () => {
  assert.throws(() => initExecutable({ argv: [], environment: {} }), /argv is empty/);
});

test("the command, the environment and the modules stand in the files", () => {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
  for (const word of ["--flag=1\0", "PATH=/usr/bin:/bin\0", "HOME=/root\0"]) {
    assert.ok(text(executables.init).includes(word), word);
  }
  for (const word of ["/modules/a.ko\0", "/modules/b.ko\0", "lowerdir=/program:/base,"]) {
    assert.ok(text(executables["first stage"]).includes(word), word);
  }
});

test.run();
