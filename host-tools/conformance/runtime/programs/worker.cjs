/** A thread of program.mjs. A file of its own, so that 64 of them do not load what only the program needs. */
const { parentPort, threadId, workerData } = require("node:worker_threads");

const { task, index, count, shared } = workerData;
const numbers = new Int32Array(shared);

function answer() {
  if (task === "meet") {
    if (Atomics.add(numbers, 0, 1) === count - 1) Atomics.notify(numbers, 0);
    for (let there = Atomics.load(numbers, 0); there < count; there = Atomics.load(numbers, 0))
      Atomics.wait(numbers, 0, there, 1000);
  } else if (task === "own") {
    globalThis.own = index;
    Atomics.add(numbers, 0, 1);
    while (Atomics.load(numbers, 0) < count) Atomics.wait(numbers, 1, 0, 1);
    return globalThis.own;
  } else if (task === "count") {
    for (let turn = 0; turn < 100_000; turn++) {
      while (Atomics.compareExchange(numbers, 0, 0, 1) !== 0) Atomics.wait(numbers, 0, 1, 1);
      numbers[1]++;
      Atomics.store(numbers, 0, 0);
      Atomics.notify(numbers, 0, 1);
    }
  }
  return task === "result" ? 42 : threadId;
}

parentPort.postMessage(answer());
