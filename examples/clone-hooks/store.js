/** A key-value server on loopback that keeps its counters in a file which it holds open. */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

export class Store {
  #file;
  #descriptor;
  #counters = new Map();
  #server = createServer((socket) => this.#serve(socket));

  constructor(file) {
    this.#file = file;
    this.open();
  }

  /** Opens the file and reads what is in it: a line per change. */
  open() {
    this.#descriptor = openSync(this.#file, "a+");
    for (const line of readFileSync(this.#file, "utf8").split("\n")) {
      const [name, value] = line.split(" ");
      if (value !== undefined) this.#counters.set(name, Number(value));
    }
  }

  close() {
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
    this.#counters.clear();
  }

  /** Resolves with the port. */
  listen() {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve(this.#server.address().port));
    });
  }

  /** "increment NAME" is answered with the new value. */
  #serve(socket) {
    socket.on("error", () => socket.destroy());
    createInterface({ input: socket }).on("line", (line) => {
      const [, name] = line.split(" ");
      const value = (this.#counters.get(name) ?? 0) + 1;
      this.#counters.set(name, value);
      writeSync(this.#descriptor, `${name} ${value}\n`);
      socket.write(`${value}\n`);
    });
  }
}
