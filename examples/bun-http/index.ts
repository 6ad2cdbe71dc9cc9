const port = Number(process.env.PORT ?? 8080);

// As for every program, SIGTERM is how it is asked to end: here with status 0.
process.on("SIGTERM", () => process.exit(0));

Bun.serve({
  port,
  hostname: "0.0.0.0",
  fetch: () => new Response("Hello from Bun " + Bun.version + "\n"),
});
console.log("listening on port " + port);
