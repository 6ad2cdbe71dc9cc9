/**
 * A program with connections and an open file that becomes a template: it closes them before the
 * machine is saved, and opens them anew in every clone.
 */
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { hostname } from "node:os";
import { afterClone, beforeTemplate } from "windlass/guest";
import { Pool } from "./pool.js";
import { Store } from "./store.js";

const store = new Store(process.env.STORE ?? "/tmp/clone-hooks.store");
const pool = new Pool(await store.listen());
await pool.open();
/** Requests wait for it: the pool of a clone that has just woken is opening. */
let opened = Promise.resolve();

/** Drawn before the machine is saved: the same in all clones, and with it the rest of its batch. */
const booted = { uuid: randomUUID(), integer: randomInt(2 ** 47), random: Math.random() };
let wakes = 0;
let context = null;

beforeTemplate(async () => {
  await pool.close();
  store.close();
});

afterClone((woken) => {
  wakes += 1;
  context = woken;
  store.open();
  opened = pool.open();
  return opened;
});

createServer(async (_request, response) => {
  const now = Date.now();
  const drawn = {
    uuid: randomUUID(),
    integer: randomInt(2 ** 47),
    random: Math.random(),
    bytes: randomBytes(16).toString("hex"),
  };
  try {
    await opened;
    const counter = await pool.increment("requests");
    const { alive: connections } = pool;
    const machine = { hostname: hostname(), late: process.env.LATE ?? null, context };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...drawn, now, counter, connections, wakes, booted, machine }));
  } catch (error) {
    response.statusCode = 500;
    response.end(`${error.message}\n`);
  }
}).listen(Number(process.env.PORT ?? 8080), "0.0.0.0", function () {
  console.log(`listening on port ${this.address().port}`);
});
