import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** A fixed number of workers; each handles one task at a time, first come first served. */
export class WorkerPool {
  #idle;
  #waiting = [];

  constructor(script, size) {
    this.#idle = Array.from({ length: size }, () => new Worker(script));
  }

  async run(task) {
    const worker = this.#idle.pop() ?? (await new Promise((give) => this.#waiting.push(give)));
    try {
      worker.postMessage(task);
      const [answer] = await once(worker, "message");
      return answer;
    } finally {
      const next = this.#waiting.shift();
      if (next) next(worker);
      else this.#idle.push(worker);
    }
  }
}
