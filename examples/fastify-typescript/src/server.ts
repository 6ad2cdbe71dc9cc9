import { fastify } from "fastify";
import { Notes } from "./notes.ts";

const port = Number(process.env["PORT"] ?? 8080);
const app = fastify();
const notes = new Notes();

app.get("/", async () => ({ hello: "from Fastify on Windlass" }));

app.post<{ Body: { text: string } }>(
  "/notes",
  {
    schema: {
      body: {
        type: "object",
        required: ["text"],
        properties: { text: { type: "string", maxLength: 1000 } },
      },
    },
  },
  async (request, reply) => reply.code(201).send(notes.add(request.body.text)),
);

app.get<{ Params: { id: string } }>("/notes/:id", async (request, reply) => {
  const note = notes.get(Number(request.params.id));
  return note ?? reply.code(404).send({ error: "no such note" });
});

console.log(`listening at ${await app.listen({ port, host: "0.0.0.0" })}`);
