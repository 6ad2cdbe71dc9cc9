/** What `windlass init` writes for each runtime. */
import { ImageError } from "../errors.ts";
import type { RuntimeName } from "./runtime.ts";
import { loadRuntime } from "./runtimes.ts";

const NODE_SERVER = `import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 8080);

createServer((_request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("Hello from Windlass\\n");
}).listen(port, "0.0.0.0", () => console.log(\`listening on port \${port}\`));
`;

/**
 * @returns text by path, at least one
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when there is no starter for it
 */
export async function starterOf(
  runtime: RuntimeName,
  name: string,
): Promise<Readonly<Record<string, string>>> {
  if (runtime === "node") {
    const scripts = { start: "node server.js" };
    const json = { name, version: "1.0.0", private: true, type: "module", scripts };
    return { "package.json": `${JSON.stringify(json, null, 2)}\n`, "server.js": NODE_SERVER };
  }
  const files = (await loadRuntime(runtime))?.starter(name) ?? {};
  if (Object.keys(files).length > 0) return files;
  const message = `There is no starter for the runtime "${runtime}"`;
  throw new ImageError("WL_IMAGE_RUNTIME_UNAVAILABLE", message, {
    next: "See what there is: windlass runtime ls",
  });
}
