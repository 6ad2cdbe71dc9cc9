/** Deno, when this host has it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseJsonDocument } from "../manifest/positioned-document.ts";
import { readTextFile } from "../manifest/text-file.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { collectInstalled, nothingToRun, wordsAfter } from "./installed-runtime.ts";
import { commandOf, type Runtime, type RuntimeRequest } from "./runtime.ts";

const CONFIGURATIONS = ["deno.json", "deno.jsonc"];
const USUAL_NAMES = ["main.ts", "main.js", "server.ts", "server.js", "mod.ts", "index.ts"];
/** What Deno's permissions would keep from a program, the machine does. */
const PERMISSIONS = "--allow-all";

function words({ root, manifest }: RuntimeRequest): readonly string[] {
  const { program } = manifest;
  if (program.kind === "script") return ["run", PERMISSIONS, `${APP_PATH}/${program.entry}`];
  const command = commandOf(program);
  if (command) return command[0] === "deno" ? command.slice(1) : ["run", PERMISSIONS, ...command];
  const task = startTask(root);
  const file = task?.file ?? join(root, "deno.json");
  const own = task && wordsAfter("deno", task.line, { file, key: "tasks.start" });
  if (own) return own;
  const entry = USUAL_NAMES.find((name) => existsSync(join(root, name)));
  if (entry === undefined) return nothingToRun(root, ["tasks.start of deno.json", ...USUAL_NAMES]);
  return ["run", PERMISSIONS, `${APP_PATH}/${entry}`];
}

/** tasks.start, which is text or, since Deno 2, an object with "command". */
function startTask(root: string): { readonly file: string; readonly line: string } | undefined {
  for (const name of CONFIGURATIONS) {
    const file = join(root, name);
    const text = readTextFile(file);
    if (text === undefined) continue;
    const { value } = parseJsonDocument(file, withoutComments(text));
    const start = memberOf(memberOf(value, "tasks"), "start");
    const line = typeof start === "string" ? start : memberOf(start, "command");
    return typeof line === "string" ? { file, line } : undefined;
  }
  return undefined;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

/** Each alternative ends at the end of the text, too: none is tried twice over the same characters. */
const TEXT_OR_COMMENT = /"(?:[^"\\]|\\[\s\S])*(?:"|$)|\/\/[^\n]*|\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$)/g;
const TEXT_OR_TRAILING_COMMA = /"(?:[^"\\]|\\[\s\S])*(?:"|$)|,(?=\s*[}\]])/g;

/** Deno reads its configuration as JSON with comments and trailing commas; places stay as they are. */
export function withoutComments(text: string): string {
  const blank = (found: string): string =>
    found.startsWith('"') ? found : found.replace(/[^\n]/g, " ");
  return text.replace(TEXT_OR_COMMENT, blank).replace(TEXT_OR_TRAILING_COMMA, blank);
}

const SERVER = `const port = Number(Deno.env.get("PORT") ?? 8080);

// As for every program, SIGTERM is how it is asked to end: here with status 0.
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));

Deno.serve({ port, hostname: "0.0.0.0" }, () =>
  new Response("Hello from Deno " + Deno.version.deno + "\\n"));
`;

export const denoRuntime: Runtime = {
  name: "deno",
  title: "Deno",
  summary: "This host's deno with its libraries, and the folder with its vendor and node_modules",
  markers: CONFIGURATIONS,
  packages: [],
  collect: (request) =>
    collectInstalled(request, {
      name: "deno",
      tool: { program: "deno", title: "Deno", folders: ["~/.deno/bin", "/usr/local/bin"] },
      install: "Install Deno, for example with: npm install --global deno",
      env: { DENO_DIR: "/tmp/deno", DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
      words,
    }),
  starter: () => ({
    "deno.json": `${JSON.stringify({ tasks: { start: "deno run --allow-net --allow-env main.ts" } }, null, 2)}\n`,
    "main.ts": SERVER,
  }),
};
