/**
 * The helper is run for real. The other side of the pseudo terminal is a small Python program, because
 * no Node API opens one.
 */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { terminalHelperExecutable } from "../../../../image-builder/first-process/terminal-helper.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("terminal helper");

/**
 * Opens a pseudo terminal, runs `helper SLAVE args...`, types TYPED when the program has said "ready",
 * prints what the terminal got, then the status. Keeps the slave open, so that the terminal does not
 * hang up before the helper has opened it.
 */
const OTHER_SIDE = `
import os, pty, select, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen([sys.argv[1], os.ttyname(slave)] + sys.argv[2:],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    start_new_session=os.environ.get("DETACHED") == "1")
seen = b""
typed = os.environ.get("TYPED", "").encode()
ended = False
while True:
    ended = child.poll() is not None
    if select.select([master], [], [], 0 if ended else 0.02)[0]: seen += os.read(master, 65536)
    elif ended: break
    if typed and b"ready" in seen:
        os.write(master, typed)
        typed = b""
sys.stdout.write(seen.decode().replace("\\r\\n", "\\n"))
status = child.wait()
print("status", status if status >= 0 else "signal %d" % -status)
`;

const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;

async function throughTerminal(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ text: string; status: string }> {
  await using folder = await temporaryFolder();
  const helper = folder.file("windlass-tty");
  await writeFile(helper, terminalHelperExecutable(), { mode: 0o755 });
  const { stdout, stderr } = spawnSync("python3", ["-c", OTHER_SIDE, helper, ...argv], {
    env: { ...process.env, ...environment },
    timeout: 20_000,
  });
  assert.is(stderr.toString(), "");
  const output = stdout.toString();
  const at = output.lastIndexOf("status ");
  return { text: output.slice(0, at), status: output.slice(at).trim() };
}

function check(name: string, body: () => Promise<void>): void {
  if (hasPython) test(name, body);
  else test.skip("python3 with its module pty is missing", name);
}

check("standard input, output and error are the terminal", async () => {
  const script = "test -t 0 && test -t 1 && test -t 2 && echo all three";
  const { text, status } = await throughTerminal(["/bin/sh", "-c", script]);
  assert.is(text, "all three\n");
  assert.is(status, "status 0");
});

check("the terminal is the controlling one", async () => {
  for (const DETACHED of ["0", "1"]) {
    const argv = ["/bin/sh", "-c", "echo through /dev/tty > /dev/tty"];
    const { text, status } = await throughTerminal(argv, { DETACHED });
    assert.is(text, "through /dev/tty\n");
    assert.is(status, "status 0");
  }
});

check("Ctrl-C on the terminal interrupts the program", async () => {
  const script = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.05; done";
  const { text, status } = await throughTerminal(["/bin/sh", "-c", script], { TYPED: "\x03" });
  assert.match(text, /interrupted/);
  assert.is(status, "status 3");
});

check("no other descriptor of the terminal stays open", async () => {
  const { text } = await throughTerminal(["/bin/sh", "-c", "ls /proc/$$/fd"]);
  assert.equal(text.trim().split(/\s+/).sort(), ["0", "1", "2"]);
});

check("arguments and environment are passed on as they are", async () => {
  const script = 'printf "%s|" "$0" "$@"; printf %s "$WINDLASS_TEST"';
  const argv = ["/bin/sh", "-c", script, "zero", "", "a b", "ü"];
  const { text } = await throughTerminal(argv, { WINDLASS_TEST: "value = 1" });
  assert.is(text, "zero||a b|ü|value = 1");
});

check("the exit status and the signal are the program's", async () => {
  assert.is((await throughTerminal(["/bin/sh", "-c", "exit 42"])).status, "status 42");
  assert.is((await throughTerminal(["/bin/sh", "-c", "kill -9 $$"])).status, "status signal 9");
});

check("a program that is not there gives 127", async () => {
  assert.is((await throughTerminal(["/nonexistent/program"])).status, "status 127");
});

test("without a terminal or without arguments it ends with 127", async () => {
  await using folder = await temporaryFolder();
  const helper = folder.file("windlass-tty");
  await writeFile(helper, terminalHelperExecutable(), { mode: 0o755 });
  for (const args of [[], ["/nonexistent/terminal", "/bin/true"], [folder.path, "/bin/true"]]) {
    assert.is(spawnSync(helper, args, { timeout: 10_000 }).status, 127, JSON.stringify(args));
  }
});

test.run();
