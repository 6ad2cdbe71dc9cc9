import { once } from "node:events";
import { readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { setImmediate as immediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import * as assert from "uvu/assert";
import { eventDescriptor } from "../../../../guest/init/event-descriptor.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("event descriptor");

for (const host of ["127.0.0.1", "::"]) {
  test(`is the epoll instance of this thread, whatever others there are (${host})`, async () => {
    // A loop of its own, with a listener of its own.
    const script = `require("node:net").createServer().listen(0, "127.0.0.1", function () {
    const { port } = this.address();
    const tell = () => require("node:worker_threads").parentPort.postMessage(port);
    setImmediate(() => setImmediate(tell)); // Its loop has waited once by then, as below.
  })`;
    const worker = new Worker(script, { eval: true });
    const [theirPort] = await once(worker, "message");
    const server = createServer().listen(0, host);
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    // libuv adds a descriptor when it next waits, which is between these two.
    await immediate();
    await immediate();
    const ours = eventDescriptor(port);
    const theirs = eventDescriptor(theirPort);
    assert.is(readlinkSync(`/proc/self/fd/${ours}`), "anon_inode:[eventpoll]");
    assert.match(readFileSync(`/proc/self/fdinfo/${ours}`, "latin1"), /^tfd:/m);
    assert.type(theirs, "number");
    assert.is.not(ours, theirs);
    await worker.terminate();
    server.close();
    await once(server, "close");
    assert.is(eventDescriptor(port), undefined);
  });
}

test.run();
