/**
 * windlass.config.ts: bundled by esbuild and evaluated in a node process of its own, so that nothing
 * it does (globals, timers, process.exit, a thrown error) touches the builder and nothing is written.
 * The value comes back as JSON on a pipe of its own; what the module prints goes nowhere near it.
 */
import { spawn } from "node:child_process";
import { basename, dirname } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { ImageError } from "../errors.ts";
import { type PositionedDocument, positionAt } from "./positioned-document.ts";

/** Evaluation that takes longer is stopped. */
const EVALUATION_TIMEOUT_MS = 10_000;
/** Bytes of value and of error output that are kept. */
const MAX_OUTPUT_BYTES = 1 << 20;

/**
 * The program around the module: writes the value as JSON to descriptor 3 and ends. Things that JSON
 * would silently drop are refused.
 */
function reporter(file: string): string {
  return `
import { writeSync } from "node:fs";
import * as loaded from ${JSON.stringify(`./${basename(file)}`)};
const value = await (loaded.default ?? loaded.config);
if (value === undefined) throw new Error("it has neither a default export nor an export named config");
const text = JSON.stringify(value, (key, item) => {
  if (["function", "symbol", "bigint"].includes(typeof item)) {
    throw new TypeError("the value of " + JSON.stringify(key) + " is a " + typeof item);
  }
  return item;
});
for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(3, rest));
process.exit(0);
`;
}

/**
 * @param file absolute path
 * @throws {ImageError} naming the file, and line and column where esbuild knows them
 */
export async function loadConfigModule(
  file: string,
  text: string,
  { signal }: { signal?: AbortSignal } = {},
): Promise<PositionedDocument> {
  const code = await bundle(file);
  const json = await evaluate(file, code, signal);
  return {
    file,
    value: JSON.parse(json) as unknown,
    // The value was computed; a key that is written out exactly once in the source is still found.
    position(path) {
      const key = path.at(-1);
      if (typeof key !== "string") return undefined;
      const escaped = key.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
      const found = [...text.matchAll(new RegExp(`(?<![\\w$.])["']?${escaped}["']?\\s*:`, "g"))];
      return found.length === 1 && found[0] ? positionAt(text, found[0].index) : undefined;
    },
    written: () => undefined,
  };
}

async function bundle(file: string): Promise<string> {
  const { build } = await import("esbuild");
  try {
    const result = await build({
      absWorkingDir: dirname(file),
      stdin: { contents: reporter(file), resolveDir: dirname(file), sourcefile: "windlass" },
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "node20",
      packages: "external",
      define: {
        "import.meta.url": JSON.stringify(pathToFileURL(file).href),
        "import.meta.filename": JSON.stringify(file),
        "import.meta.dirname": JSON.stringify(dirname(file)),
        __filename: JSON.stringify(file),
        __dirname: JSON.stringify(dirname(file)),
      },
      logLevel: "silent",
    });
    return result.outputFiles[0]?.text ?? "";
  } catch (cause) {
    const first = (cause as { errors?: { text: string; location?: Location | null }[] })
      .errors?.[0];
    const place = first?.location;
    const at = place ? ` (${place.file}:${place.line}:${place.column + 1})` : "";
    throw new ImageError(
      "WL_IMAGE_MANIFEST_INVALID",
      `Cannot read ${file}: ${first?.text ?? (cause as Error).message}${at}`,
      {
        file,
        ...(place && { line: place.line, column: place.column + 1 }),
        next: "Correct the file",
      },
      cause,
    );
  }
}

interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Runs the module in the project's folder, so that the packages it imports are found there. */
async function evaluate(
  file: string,
  code: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const child = spawn(process.execPath, ["--input-type=module", "-"], {
    cwd: dirname(file),
    stdio: ["pipe", "ignore", "pipe", "pipe"],
    timeout: EVALUATION_TIMEOUT_MS,
    killSignal: "SIGKILL",
    ...(signal && { signal }),
  });
  const value: Buffer[] = [];
  const errors: Buffer[] = [];
  collect(child.stdio[3] as Readable, value, () => child.kill("SIGKILL"));
  collect(child.stdio[2] as Readable, errors, () => child.kill("SIGKILL"));
  // A child that ends before it has read its program breaks the pipe; its exit status says why.
  const input = child.stdio[0] as Writable;
  input.on("error", () => {});
  input.end(code);
  const [exitCode, killer] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status, by) => resolve([status, by]));
    },
  );
  signal?.throwIfAborted();
  if (exitCode === 0 && value.length > 0) return Buffer.concat(value).toString();
  const output = Buffer.concat(errors).toString();
  const thrown = /^(?:Uncaught )?((?:\w*Error|Error)\b.*)$/m.exec(output)?.[1];
  const reason = killer
    ? `it was still running after ${EVALUATION_TIMEOUT_MS / 1000} s, or returned more than ${MAX_OUTPUT_BYTES} bytes`
    : (thrown ?? (exitCode === 0 ? "it ended the process itself" : `node exited with ${exitCode}`));
  throw new ImageError("WL_IMAGE_MANIFEST_INVALID", `Cannot evaluate ${file}: ${reason}`, {
    file,
    next: "Correct the file",
  });
}

function collect(stream: Readable, chunks: Buffer[], onTooMuch: () => void): void {
  let sizeBytes = 0;
  stream.on("data", (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_OUTPUT_BYTES) onTooMuch();
    else chunks.push(chunk);
  });
}
