import express from "express";

const port = Number(process.env.PORT || 8080);
const app = express();

app.get("/", (_request, response) => {
  response.type("text/plain").send("Hello from Express on Windlass\n");
});
app.get("/greet/:name", (request, response) => {
  response.json({ greeting: `Hello, ${request.params.name}` });
});

app.listen(port, "0.0.0.0", () => console.log(`listening on port ${port}`));
