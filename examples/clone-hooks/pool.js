/** A pool of connections to the store; each serves one request at a time. */
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const SIZE = 4;

export class Pool {
  #port;
  #connections = [];
  #turn = 0;

  constructor(port) {
    this.#port = port;
  }

  get alive() {
    return this.#connections.filter(({ socket }) => socket.readyState === "open").length;
  }

  async open() {
    this.#connections = await Promise.all(
      Array.from({ length: SIZE }, async () => {
        const socket = connect(this.#port, "127.0.0.1");
        await once(socket, "connect");
        const replies = createInterface({ input: socket })[Symbol.asyncIterator]();
        return { socket, replies, last: Promise.resolve() };
      }),
    );
  }

  /** Waits for the requests that are under way. */
  async close() {
    const connections = this.#connections;
    this.#connections = [];
    await Promise.allSettled(connections.map(({ last }) => last));
    for (const { socket } of connections) socket.destroy();
  }

  async increment(name) {
    const connection = this.#connections[this.#turn++ % this.#connections.length];
    if (!connection) throw new Error("the pool is closed");
    const { socket, replies } = connection;
    const reply = connection.last.then(async () => {
      socket.write(`increment ${name}\n`);
      const { value, done } = await replies.next();
      if (done) throw new Error("the connection is lost");
      return Number(value);
    });
    connection.last = reply.catch(() => undefined);
    return reply;
  }
}
