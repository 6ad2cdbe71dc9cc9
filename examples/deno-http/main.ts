const port = Number(Deno.env.get("PORT") ?? 8080);

// As for every program, SIGTERM is how it is asked to end: here with status 0.
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));

Deno.serve({ port, hostname: "0.0.0.0" }, () =>
  new Response("Hello from Deno " + Deno.version.deno + "\n"));
