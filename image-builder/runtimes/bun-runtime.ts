/** Bun, when this host has it. */
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { readPackageJson } from "../manifest/package-json.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { collectInstalled, nothingToRun, wordsAfter } from "./installed-runtime.ts";
import { commandOf, type Runtime, type RuntimeRequest } from "./runtime.ts";

const USUAL_NAMES = ["index", "server", "main", "src/index", "src/server", "src/main"];
const EXTENSIONS = [".ts", ".tsx", ".js", ".mjs"];

function words({ root, manifest }: RuntimeRequest): readonly string[] {
  const { program } = manifest;
  if (program.kind === "script") return [`${APP_PATH}/${program.entry}`];
  const command = commandOf(program);
  if (command) return command[0] === "bun" ? command.slice(1) : command;
  const file = join(root, "package.json");
  const packageJson = readPackageJson(file);
  const start = packageJson?.scripts["start"];
  const own =
    start === undefined ? undefined : wordsAfter("bun", start, { file, key: "scripts.start" });
  if (own) return own;
  const { module } = (packageJson?.document.value ?? {}) as { readonly module?: unknown };
  const named = [module, packageJson?.main].filter((path) => typeof path === "string");
  const usual = USUAL_NAMES.flatMap((name) => EXTENSIONS.map((extension) => name + extension));
  const entry = [...named, ...usual]
    .map((path) => posix.normalize(path))
    .find((path) => isIn(root, path));
  if (entry === undefined) {
    return nothingToRun(root, ["scripts.start, module and main of package.json", ...USUAL_NAMES]);
  }
  return [`${APP_PATH}/${entry}`];
}

function isIn(root: string, path: string): boolean {
  return !path.startsWith("../") && !path.startsWith("/") && existsSync(join(root, path));
}

const SERVER = `const port = Number(process.env.PORT ?? 8080);

// As for every program, SIGTERM is how it is asked to end: here with status 0.
process.on("SIGTERM", () => process.exit(0));

Bun.serve({
  port,
  hostname: "0.0.0.0",
  fetch: () => new Response("Hello from Bun " + Bun.version + "\\n"),
});
console.log("listening on port " + port);
`;

export const bunRuntime: Runtime = {
  name: "bun",
  title: "Bun",
  summary: "This host's bun with its libraries, and the folder with its node_modules",
  markers: ["bun.lock", "bun.lockb", "bunfig.toml"],
  packages: [],
  collect: (request) =>
    collectInstalled(request, {
      name: "bun",
      tool: { program: "bun", title: "Bun", folders: ["~/.bun/bin", "/usr/local/bin"] },
      install: "Install Bun, for example with: npm install --global bun",
      env: { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", DO_NOT_TRACK: "1" },
      words,
    }),
  starter: (name) => ({
    "bunfig.toml": "telemetry = false\n",
    "package.json": `${JSON.stringify({ name, version: "1.0.0", private: true, module: "index.ts", type: "module" }, null, 2)}\n`,
    "index.ts": SERVER,
  }),
};
