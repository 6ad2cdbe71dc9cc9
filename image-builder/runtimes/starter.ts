/** What `windlass init` writes for each runtime. */
import { ImageError } from "../errors.ts";
import type { RuntimeName } from "./runtime.ts";
import { loadRuntime, runtimeOfFiles } from "./runtimes.ts";

const NODE_SERVER = `import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 8080);

createServer((_request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("Hello from Windlass\\n");
}).listen(port, "0.0.0.0", () => console.log(\`listening on port \${port}\`));
`;

export interface Starter {
  /** Text by path, at least one. */
  readonly files: Readonly<Record<string, string>>;
  /** What its author does next, in its folder, where that is not `windlass run -p 8080 .`. */
  readonly use?: string | undefined;
}

/** @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when there is no starter for it */
export async function starterOf(runtime: RuntimeName, name: string): Promise<Starter> {
  if (runtime === "node") {
    const scripts = { start: "node server.js" };
    const json = { name, version: "1.0.0", private: true, type: "module", scripts };
    const files = {
      "package.json": `${JSON.stringify(json, null, 2)}\n`,
      "server.js": NODE_SERVER,
    };
    return { files };
  }
  const loaded = await loadRuntime(runtime);
  const files = loaded?.starter(name) ?? {};
  if (Object.keys(files).length > 0) return { files, use: loaded?.starterUse };
  const isNative = runtime === "native";
  const message = isNative
    ? "There is no starter for executables: they are built by other tools"
    : `There is no starter for the runtime "${runtime}"`;
  const next = isNative
    ? 'Build yours as it is: windlass build ./program; or write "runtime: native" and "command: [./program]" into a windlass.yaml beside it'
    : "See what there is: windlass runtime ls";
  throw new ImageError("WL_IMAGE_RUNTIME_UNAVAILABLE", message, { next });
}

/**
 * What a starter's files leave open, as a windlass.yaml; undefined when they say all.
 *
 * @param folder what its images are called by themselves, and what is in it already
 */
export function starterManifest(
  { files }: Starter,
  { runtime, name }: { readonly runtime: RuntimeName; readonly name: string },
  folder: { readonly imageName: string | undefined; readonly present: readonly string[] },
): string | undefined {
  const isNamed = "package.json" in files || name === folder.imageName;
  const found = runtimeOfFiles([...folder.present, ...Object.keys(files)]);
  const isKnown = found === runtime;
  const text = `${isNamed ? "" : `name: ${JSON.stringify(name)}\n`}${isKnown ? "" : `runtime: ${runtime}\n`}`;
  return text === "" ? undefined : text;
}
