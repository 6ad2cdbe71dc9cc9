const port = Number(Deno.env.get("PORT") ?? 8080);

Deno.serve({ port, hostname: "0.0.0.0" }, () =>
  new Response("Hello from Deno " + Deno.version.deno + "\n"));
