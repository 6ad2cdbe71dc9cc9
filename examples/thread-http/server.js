import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 8080);

const server = createServer((_request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(`Hello from Windlass\na thread of process ${process.pid}\n`);
}).listen(port, "0.0.0.0", () => console.log(`listening on port ${port}`));

// A signal is an event that the agent passes on. Without a listener it ends the thread, as it would a process.
process.once("SIGTERM", () => server.close());
