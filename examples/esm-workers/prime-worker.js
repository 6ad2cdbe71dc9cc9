import { parentPort } from "node:worker_threads";

parentPort.on("message", (limit) => parentPort.postMessage(countPrimes(limit)));

/** The sieve of Eratosthenes. */
function countPrimes(limit) {
  const composite = new Uint8Array(limit + 1);
  let count = 0;
  for (let number = 2; number <= limit; number += 1) {
    if (composite[number]) continue;
    count += 1;
    for (let multiple = number * number; multiple <= limit; multiple += number) {
      composite[multiple] = 1;
    }
  }
  return count;
}
