import { createServer } from "node:http";
import { WorkerPool } from "./worker-pool.js";

const port = Number(process.env.PORT ?? 8080);
const pool = new WorkerPool(new URL("./prime-worker.js", import.meta.url), 2);

// GET /1000 answers with the number of primes up to 1000, counted in a worker thread.
createServer(async (request, response) => {
  const limit = Number(request.url?.slice(1) || 1000);
  if (!Number.isInteger(limit) || limit < 0 || limit > 10_000_000) {
    response.writeHead(400).end("give a whole number up to 10000000\n");
    return;
  }
  try {
    const primes = await pool.run(limit);
    response.setHeader("content-type", "application/json");
    response.end(`${JSON.stringify({ limit, primes })}\n`);
  } catch (error) {
    response.writeHead(500).end(`${error.message}\n`);
  }
}).listen(port, "0.0.0.0", () => console.log(`listening on port ${port}`));
