/** `windlass exec`. */
import type { ExecOpen } from "../../../guest/api/exec.ts";
import { HostError } from "../../errors.ts";
import type { ExecSession } from "../../guest-client/exec-session.ts";
import { signalStatus } from "../../instance/exit-code.ts";
import { Instances } from "../../instance/instances.ts";
import { Interrupted } from "../interrupts.ts";
import type { Execute, Invocation } from "../invocation.ts";
import { environment } from "../option-values.ts";
import type { Output } from "../output.ts";

/** Shells' status for a command that was not found (POSIX 2.8.2), and one that cannot be run. */
const NOT_FOUND_STATUS = 127;
const NOT_EXECUTABLE_STATUS = 126;

export const execute: Execute<"exec"> = async (invocation) => {
  const { operands, options, output, report } = invocation;
  const [name = "", ...argv] = operands;
  const open = execOpen(invocation, argv);
  const { client } = await new Instances().client(name);
  await using _client = client;
  // Ctrl-C is the command's, once it runs; the second one breaks off.
  const connection = new AbortController();
  using interrupts = new CommandInterrupts(invocation, connection);
  try {
    await using session = await client.exec(open, { signal: connection.signal, timeoutMs: 0 });
    interrupts.session = session;
    using _terminal = options.tty ? connectTerminal(session) : undefined;
    if (options.interactive) process.stdin.on("data", (chunk) => session.stdin.write(chunk));
    if (options.interactive) process.stdin.on("end", () => session.stdin.end());
    else session.stdin.end();
    await Promise.all([
      pump(session.stdout, (chunk) => output.print(chunk)),
      pump(session.stderr, (chunk) => output.printError(chunk)),
    ]);
    const { exitCode, signal } = await session.exit;
    return exitCode ?? signalStatus(signal ?? "SIGKILL");
  } catch (error) {
    const status = startFailure(error);
    if (status === undefined) throw error;
    report(error);
    return status;
  }
};

function execOpen({ options }: Invocation<"exec">, argv: string[]): ExecOpen {
  const { workdir, user, tty } = options;
  return {
    argv,
    env: environment(options.env),
    ...(workdir !== undefined && { workdir }),
    ...(user !== undefined && { user }),
    ...(tty && { tty, ...terminalSize() }),
  };
}

/** The local terminal sends every key as it is, and tells its size. */
function connectTerminal(session: ExecSession): Disposable {
  const { stdin, stdout } = process;
  const resize = (): void => {
    const { columns, rows } = terminalSize();
    if (columns !== undefined && rows !== undefined) session.resize(columns, rows);
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  stdout.on("resize", resize);
  return {
    [Symbol.dispose]: () => {
      stdout.off("resize", resize);
      if (stdin.isTTY) stdin.setRawMode(false);
    },
  };
}

function terminalSize(): { columns?: number; rows?: number } {
  const { columns, rows } = process.stdout;
  return columns > 0 && rows > 0 ? { columns, rows } : {};
}

async function pump(
  stream: AsyncIterable<Buffer>,
  print: (chunk: Buffer) => ReturnType<Output["print"]>,
): Promise<void> {
  for await (const chunk of stream) await print(chunk);
}

class CommandInterrupts implements Disposable {
  /** Set when the command runs: it gets the signals from then on. */
  session: ExecSession | undefined;
  readonly #cleanUp: () => void;

  constructor({ signal, urgent }: Invocation<"exec">, connection: AbortController) {
    const ask = (): void => {
      const { reason } = signal;
      if (this.session && reason instanceof Interrupted) this.session.signal(reason.signalName);
      else connection.abort(reason);
    };
    const breakOff = (): void => connection.abort(urgent.reason);
    signal.addEventListener("abort", ask, { once: true });
    urgent.addEventListener("abort", breakOff, { once: true });
    this.#cleanUp = () => {
      signal.removeEventListener("abort", ask);
      urgent.removeEventListener("abort", breakOff);
    };
  }

  [Symbol.dispose](): void {
    this.#cleanUp();
  }
}

/** The status for a command that could not be started; undefined for another failure. */
function startFailure(error: unknown): number | undefined {
  if (!(error instanceof HostError) || error.facts.detail?.["code"] !== "WL_AGENT_EXEC_FAILED") {
    return undefined;
  }
  return /no such program/.test(error.message) ? NOT_FOUND_STATUS : NOT_EXECUTABLE_STATUS;
}
