/**
 * The guest's end of the journal (guest/api/journal.ts) and of the serial console. The journal is
 * written at once and in order: the host's file is the only copy of a program's last words. The
 * console is slow (every byte leaves the machine), so it is written beside, from a bounded queue.
 */
import { write, writeSync } from "node:fs";
import type { JournalRecord } from "../api/journal.ts";

/** What the console may lag behind; more is left out, and said. */
const CONSOLE_QUEUE_BYTES = 64 * 1024;

export class Journal {
  readonly #portFd: number | undefined;
  #console: ConsoleWriter;

  constructor(portFd: number | undefined, consoleFd: number) {
    this.#portFd = portFd;
    this.#console = new ConsoleWriter(consoleFd);
  }

  /** undefined on a machine without a journal. */
  get fd(): number | undefined {
    return this.#portFd;
  }

  /** From now on this is the console. */
  useConsole(fd: number): void {
    this.#console = new ConsoleWriter(fd);
  }

  write(record: JournalRecord): void {
    if (record.kind === "output") this.#console.write(record.text);
    if (record.kind === "notice") this.#console.write(`windlass: ${record.text}\n`);
    if (this.#portFd === undefined) return;
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    for (let at = 0; at < line.length; ) at += writeSync(this.#portFd, line, at);
  }
}

class ConsoleWriter {
  readonly #fd: number;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #leftOutBytes = 0;
  #writing = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#queuedBytes + bytes.length > CONSOLE_QUEUE_BYTES) {
      this.#leftOutBytes += bytes.length;
      return;
    }
    if (this.#leftOutBytes > 0) {
      this.#push(Buffer.from(`[windlass: ${this.#leftOutBytes} bytes left out here]\n`));
      this.#leftOutBytes = 0;
    }
    this.#push(bytes);
    this.#drain();
  }

  #push(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  #drain(): void {
    if (this.#writing || this.#queue.length === 0) return;
    this.#writing = true;
    const bytes = Buffer.concat(this.#queue);
    this.#queue = [];
    write(this.#fd, bytes, (error, written) => {
      this.#writing = false;
      // A console that refuses is not asked again and again; what it did not take is lost to it.
      if (error) this.#leftOutBytes += bytes.length;
      const rest = error ? Buffer.alloc(0) : bytes.subarray(written);
      this.#queuedBytes -= bytes.length - rest.length;
      if (rest.length > 0) this.#queue.unshift(rest);
      this.#drain();
    });
  }
}
