/**
 * A QMP server for tests: greets like a real QEMU (recorded from Debian 12's), keeps what it is told,
 * and answers as the test says.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { temporaryFolder } from "./temporary-folder.ts";

/** Recorded from QEMU 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3), byte for byte. */
export const RECORDED_GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, ' +
  '"package": "Debian 1:7.2+dfsg-7+deb12u18+b3"}, "capabilities": ["oob"]}}\r\n';

/** Recorded too; the reply to `quit` comes after it. */
export const RECORDED_SHUTDOWN_EVENT =
  '{"timestamp": {"seconds": 1795219945, "microseconds": 352027}, "event": "SHUTDOWN", ' +
  '"data": {"guest": false, "reason": "host-qmp-quit"}}\r\n';

export interface ReceivedCommand {
  readonly execute: string;
  readonly arguments?: unknown;
  readonly id: number;
}

/** What the server does with a command: send lines through `send`, or hang up. */
export type Answer = (command: ReceivedCommand, peer: FakePeer) => void;

export interface FakePeer {
  /** Sends a message as one line; a string is sent as it is. */
  send(message: object | string): void;
  hangUp(): void;
}

export interface FakeQmpServer extends AsyncDisposable {
  readonly path: string;
  readonly received: readonly ReceivedCommand[];
  /** The client's side of the last connection. */
  readonly peer: FakePeer;
  /** Fulfilled with the first command of that name, past or to come. */
  commanded(name: string): Promise<ReceivedCommand>;
}

/**
 * @param options.greeting what is sent first; "" for a server that says nothing
 * @param options.answer handles every command except qmp_capabilities, which is accepted
 */
export async function startQmpServer(
  options: { greeting?: string; answer?: Answer } = {},
): Promise<FakeQmpServer> {
  const { greeting = RECORDED_GREETING, answer = () => {} } = options;
  const folder = await temporaryFolder();
  const path = folder.file("qmp.sock");
  const received: ReceivedCommand[] = [];
  const sockets: Socket[] = [];
  const waiting: { name: string; resolve: (command: ReceivedCommand) => void }[] = [];

  const handle = (command: ReceivedCommand, peer: FakePeer): void => {
    received.push(command);
    for (const { name, resolve } of waiting) if (name === command.execute) resolve(command);
    if (command.execute === "qmp_capabilities") peer.send({ return: {}, id: command.id });
    else answer(command, peer);
  };
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    const peer = peerOf(socket);
    if (greeting !== "") socket.write(greeting);
    let rest = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) handle(JSON.parse(line), peer);
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    path,
    received,
    get peer() {
      const socket = sockets.at(-1);
      if (!socket) throw new Error("nobody has connected");
      return peerOf(socket);
    },
    commanded: (name) => {
      const past = received.find(({ execute }) => execute === name);
      if (past) return Promise.resolve(past);
      return new Promise((resolve) => waiting.push({ name, resolve }));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await folder[Symbol.asyncDispose]();
    },
  };
}

function peerOf(socket: Socket): FakePeer {
  return {
    send: (message) => {
      socket.write(typeof message === "string" ? message : `${JSON.stringify(message)}\r\n`);
    },
    hangUp: () => socket.destroy(),
  };
}
