import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 8080);

createServer((_request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("Hello from Windlass\n");
}).listen(port, "0.0.0.0", () => console.log(`listening on port ${port}`));
