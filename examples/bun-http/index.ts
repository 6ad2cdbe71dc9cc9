const port = Number(process.env.PORT ?? 8080);

Bun.serve({
  port,
  hostname: "0.0.0.0",
  fetch: () => new Response("Hello from Bun " + Bun.version + "\n"),
});
console.log("listening on port " + port);
