/**
 * Requests per second that the agent of a guest answers: `GET /os/version`, four clients. The anchor is
 * the guest's program, a bare node:http server.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Instances } from "../../host-tools/instance/instances.ts";
import { build } from "../../image-builder/build-image.ts";
import { type BenchReport, report, Samples } from "./bench.ts";
import { benchHome, HELLO_FOLDER } from "./rig.ts";

const RUNS = 3;
const CLIENTS = 4;
const WARM_UP_MS = 3_000;
const MEASURE_MS = 5_000;

export async function benchAgent(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  await using home = await benchHome();
  await build({ folder: HELLO_FOLDER, name: "hello", folders: home.folders });
  const instances = new Instances(home.folders);
  const guestPort = 8080;
  const publish = [
    { protocol: "tcp" as const, hostAddress: "127.0.0.1", hostPort: undefined, guestPort },
  ];
  const { record } = await instances.create({ image: "hello", publish });
  try {
    const started = await instances.start(record.id);
    await instances.ready(started);
    const { launch, tokens } = started.record;
    const agent = { port: launch?.agentPort ?? 0, token: tokens.admin };
    const bare = { port: launch?.forwards[0]?.hostPort ?? 0, token: "" };
    const cases = [
      ["keep-alive", agent, true],
      ["new-connection", agent, false],
      ["bare-http/keep-alive", bare, true],
      ["bare-http/new-connection", bare, false],
    ] as const;
    for (const [, target, keepAlive] of cases) await load(target, keepAlive, WARM_UP_MS);
    for (let round = 0; round < runs; round += 1) {
      for (const [name, target, keepAlive] of cases) {
        const latencies = await load(target, keepAlive, MEASURE_MS);
        samples.add(name, "1/s", (latencies.length * 1000) / MEASURE_MS);
        latencies.sort((a, b) => a - b);
        samples.add(`${name}/p99`, "ms", latencies[Math.floor(latencies.length * 0.99)] ?? 0);
      }
    }
    return await report("agent", samples, launch?.accelerator ?? "none");
  } finally {
    await instances.remove(record.id, { force: true });
  }
}

/** @returns the latency of every answer, in milliseconds */
async function load(target: Target, keepAlive: boolean, durationMs: number): Promise<number[]> {
  const latencies: number[] = [];
  const endMs = performance.now() + durationMs;
  const client = async (): Promise<void> => {
    let connection: Connection | undefined;
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      connection ??= await Connection.open(target);
      await connection.request();
      latencies.push(performance.now() - startedMs);
      if (!keepAlive) connection = connection.close();
    }
    connection?.close();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return latencies;
}

interface Target {
  readonly port: number;
  readonly token: string;
}

/**
 * One HTTP/1.1 connection, as little as possible: client and emulator share the host's cores, and the
 * server is what is measured.
 */
class Connection {
  readonly #socket: Socket;
  readonly #request: string;
  #received = "";
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  static async open({ port, token }: Target): Promise<Connection> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new Connection(socket, token);
  }

  constructor(socket: Socket, token: string) {
    this.#socket = socket;
    this.#request = `GET /os/version HTTP/1.1\r\nHost: guest\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    socket.setEncoding("latin1").on("data", (text: string) => this.#receive(text));
    socket.on("error", (error) => this.#settle?.reject(error));
    socket.on("close", () => this.#settle?.reject(new Error("the server closed the connection")));
  }

  async request(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(this.#request);
    });
  }

  close(): undefined {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf("\r\n\r\n");
    if (head < 0 || !isComplete(this.#received, head + 4)) return;
    const ok = this.#received.startsWith("HTTP/1.1 200 ");
    const settle = this.#settle;
    this.#received = "";
    if (ok) settle?.resolve();
    else settle?.reject(new Error("the answer is not 200"));
  }
}

function isComplete(text: string, bodyStart: number): boolean {
  const length = /^content-length: (\d+)/im.exec(text)?.[1];
  if (length !== undefined) return text.length >= bodyStart + Number(length);
  return text.endsWith("0\r\n\r\n"); // chunked
}
