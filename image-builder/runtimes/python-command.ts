/** What the guest runs: the manifest's entry or command, or what a project of this kind usually starts with. */
import { posix } from "node:path";
import { ImageError } from "../errors.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import type { TreeEntry } from "../rootfs/tree.ts";

export interface PythonCommandRequest {
  readonly root: string;
  readonly manifest: Manifest;
  /** What the image has. */
  readonly entries: readonly TreeEntry[];
  /** In the guest: the virtual environment's, or the interpreter itself. */
  readonly python: string;
  /** Folder of the environment's commands in the guest. */
  readonly binFolder: string | undefined;
  /** [project.scripts] */
  readonly scripts: Readonly<Record<string, string>>;
}

export interface PythonCommand {
  readonly argv: readonly string[];
  /** Guest path of the script that it runs, when it is one. */
  readonly script?: string;
  /** The module that it runs (-m). */
  readonly module?: string;
}

const USUAL_NAMES = ["main.py", "app.py", "server.py", "__main__.py", "src/main.py"];
const INTERPRETER = /^(\/usr\/(local\/)?bin\/)?python([23](\.[0-9]+)?)?$/;

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID when there is nothing to run */
export function pythonCommand(request: PythonCommandRequest): PythonCommand {
  const { manifest, python } = request;
  const { program } = manifest;
  const files = new Set(
    request.entries.filter(({ kind }) => kind !== "directory").map(({ path }) => path),
  );
  if (program.kind === "script") return scriptCommand(request, files, program.entry);
  if (program.kind === "default") return defaultCommand(request, files);
  const [command = "", ...args] = program.argv;
  const rest = [...args, ...manifest.args];
  if (INTERPRETER.test(command)) return interpreterCommand(python, rest);
  if (command.includes("/")) {
    const path = posix.resolve(APP_PATH, command);
    const isScript = path.endsWith(".py");
    if (isScript) return { argv: [python, path, ...rest], script: path };
    return { argv: [path, ...rest], script: path };
  }
  const installed = request.binFolder && `${request.binFolder}/${command}`;
  if (installed && files.has(installed)) return { argv: [installed, ...rest], script: installed };
  if (command.endsWith(".py")) return scriptCommand(request, files, command, rest);
  const target = request.scripts[command];
  if (target !== undefined) return functionCommand(python, target, rest);
  throw missing(request, `The command ${JSON.stringify(command)} is not in the image`);
}

/** `-m MODULE` and scripts are found among the interpreter's own flags, for what is compiled. */
function interpreterCommand(python: string, args: readonly string[]): PythonCommand {
  const argv = [python, ...args];
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] ?? "";
    if (word === "-c") return { argv };
    if (word === "-m") return { argv, module: args[index + 1] ?? "" };
    if (word === "-W" || word === "-X") index += 1;
    else if (!word.startsWith("-")) return { argv, script: posix.resolve(APP_PATH, word) };
  }
  return { argv };
}

function scriptCommand(
  request: PythonCommandRequest,
  files: ReadonlySet<string>,
  entry: string,
  rest: readonly string[] = request.manifest.args,
): PythonCommand {
  const script = posix.join(APP_PATH, entry);
  if (!files.has(script)) throw missing(request, `${JSON.stringify(entry)} is not in the image`);
  return { argv: [request.python, script, ...rest], script };
}

function defaultCommand(request: PythonCommandRequest, files: ReadonlySet<string>): PythonCommand {
  const name = USUAL_NAMES.find((one) => files.has(posix.join(APP_PATH, one)));
  if (name !== undefined) return scriptCommand(request, files, name);
  const { manifest, python, scripts, binFolder } = request;
  const [first] = Object.entries(scripts);
  if (first) {
    const installed = binFolder && `${binFolder}/${first[0]}`;
    if (installed && files.has(installed)) {
      return { argv: [installed, ...manifest.args], script: installed };
    }
    return functionCommand(python, first[1], manifest.args);
  }
  throw missing(request, `No entry point in ${request.root}. Tried ${USUAL_NAMES.join(", ")}`);
}

/** What an installed command does, without having been installed: "package.module:function". */
function functionCommand(python: string, target: string, args: readonly string[]): PythonCommand {
  const [, module, name] = /^\s*([\w.]+)\s*(?::\s*([\w.]+))?\s*(?:\[.*)?$/.exec(target) ?? [];
  if (module === undefined) return { argv: [python, "-m", target, ...args] };
  if (name === undefined) return { argv: [python, "-m", module, ...args], module };
  const [first = name] = name.split(".");
  const code = `import sys; from ${module} import ${first}; sys.exit(${name}())`;
  return { argv: [python, "-c", code, ...args], module };
}

function missing(request: PythonCommandRequest, message: string): ImageError {
  return new ImageError("WL_IMAGE_PROJECT_INVALID", message, {
    file: request.manifest.source,
    next: 'Set "entry" to a script, or "command" to such as [python3, -m, package], in windlass.yaml',
  });
}
