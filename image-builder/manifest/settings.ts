/** A checked windlass.* file to the manifest's own terms: units resolved, short forms written out. */
import { constants } from "node:os";
import { posix, resolve } from "node:path";
import type { Health } from "../../guest/api/program.ts";
import type { ProgramHook, ProgramHooks } from "../../guest/api/program-hooks.ts";
import { type ScratchDisk, scratchDisk } from "../disks/scratch-disk.ts";
import type { RuntimeName } from "../runtimes/runtime.ts";
import { CommandLineError, splitCommandLine } from "./command-line.ts";
import type { Manifest, ManifestProgram, PlacedFile, TemplateSettings } from "./manifest.ts";
import {
  type DocumentPath,
  documentError,
  type PositionedDocument,
} from "./positioned-document.ts";
import { durationMs, programPort, restartPolicy, sizeMib } from "./quantity.ts";
import type { WindlassFile } from "./windlass-file.ts";

/** What a file said; a manifest without the parts it left to detection. */
export type Settings = Partial<Omit<Manifest, "source" | "warnings">>;

const HEALTH_INTERVAL_MS = 5_000;
const HEALTH_TIMEOUT_MS = 3_000;
const HEALTH_RETRIES = 3;
const HEALTH_START_PERIOD_MS = 10_000;
const HOOK_SETTLE_MS = 100;
const HOOK_SETTLE_MAX_MS = 60_000;
const MIN_MEMORY_MIB = 32;

/**
 * @param folder absolute path of the project, which relative paths start from
 * @throws {ImageError} when values contradict each other
 */
export function settingsOf(
  file: WindlassFile,
  document: PositionedDocument,
  folder: string,
): Settings {
  const attempt = <T>(path: DocumentPath, make: () => T): T => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof RangeError) && !(error instanceof CommandLineError)) throw error;
      const key = JSON.stringify(path.join("."));
      throw documentError(document, path, `${key} in ${document.file}: ${error.message}`);
    }
  };
  const text = (path: DocumentPath, value: string | number | boolean): string =>
    typeof value === "string" ? value : (document.written(path) ?? String(value));
  const words = (path: string, value: string | readonly (string | number | boolean)[]): string[] =>
    typeof value === "string"
      ? attempt([path], () => splitCommandLine(value))
      : value.map((item, index) => text([path, index], item));

  const ports = file.ports?.map((port, index) =>
    attempt(["ports", index], () => programPort(port)),
  );
  const memoryMib = file.memory === undefined ? undefined : sizeMib(file.memory);
  if (memoryMib !== undefined && memoryMib < MIN_MEMORY_MIB) {
    const message = `"memory" in ${document.file} is ${memoryMib} MiB: too small to boot`;
    throw documentError(document, ["memory"], message, `Ask for ${MIN_MEMORY_MIB} MiB or more`);
  }
  const { scratch: disk } = file;
  const scratch = disk === undefined ? undefined : attempt(["scratch"], () => scratchOf(disk));
  const program = programOf(file, document, words);
  const tcp = ports?.find((port) => port.protocol === "tcp")?.port;
  const checks = file.health;
  const health = checks && attempt(["health"], () => healthOf(checks, document, tcp));
  const runtime = file.runtime === undefined ? undefined : runtimeOf(file.runtime);
  return {
    ...(file.name !== undefined && { name: file.name }),
    ...(program && { program }),
    ...(file.args !== undefined && { args: words("args", file.args) }),
    ...(file.env && {
      env: Object.fromEntries(
        Object.entries(file.env).map(([key, value]) => [key, text(["env", key], value)]),
      ),
    }),
    ...(file.workdir !== undefined && {
      workdir: posix.normalize(file.workdir).replace(/(?<=.)\/$/, ""),
    }),
    ...(file.user !== undefined && { user: String(file.user) }),
    ...(runtime && { runtime: runtime.name }),
    ...(runtime?.range && { runtimeRange: runtime.range }),
    ...(file.isolation !== undefined && { isolation: file.isolation }),
    ...(file.include && { include: file.include.map((item) => includedOf(item, folder)) }),
    files: { include: file.files?.include ?? [], exclude: file.files?.exclude ?? [] },
    ...(memoryMib !== undefined && { memoryMib }),
    ...(file.cpus !== undefined && { cpus: file.cpus }),
    ...(scratch && { scratch }),
    ...(ports && { ports }),
    ...(health && { health }),
    ...(file.hooks && { hooks: hooksOf(file.hooks, attempt) }),
    ...(file.template !== undefined && { template: templateOf(file.template) }),
    ...(file.restart !== undefined && {
      restart: attempt(["restart"], () => restartPolicy(file.restart ?? "no")),
    }),
    ...(file.onExit !== undefined && { onExit: file.onExit }),
    ...(file.kernel !== undefined && {
      kernel: file.kernel.includes("/") ? resolve(folder, file.kernel) : file.kernel,
    }),
  };
}

function runtimeOf(setting: NonNullable<WindlassFile["runtime"]>): {
  name: RuntimeName;
  range: string | undefined;
} {
  if (typeof setting === "object") return { name: "node", range: setting.node };
  const [name = "", range] = setting.split("@", 2);
  return { name: name as RuntimeName, range };
}

/** "HOST" or "HOST:GUEST"; without a place in the guest it is the same as on the host. */
function includedOf(item: string, folder: string): PlacedFile {
  const colon = item.indexOf(":/");
  const hostPath = resolve(folder, colon < 0 ? item : item.slice(0, colon));
  const guestPath = colon < 0 ? hostPath : item.slice(colon + 1);
  return { hostPath, guestPath: posix.normalize(guestPath).replace(/(?<=.)\/$/, "") };
}

function templateOf(setting: NonNullable<WindlassFile["template"]>): TemplateSettings {
  const { mode, env, args, warmUp } = typeof setting === "object" ? setting : { mode: setting };
  return {
    auto: mode === "auto",
    env: env ?? [],
    args: args ?? false,
    ...(warmUp !== undefined && { warmUp }),
  };
}

function hooksOf(
  setting: NonNullable<WindlassFile["hooks"]>,
  attempt: <T>(path: DocumentPath, make: () => T) => T,
): ProgramHooks {
  const { beforeTemplate, afterClone, settle } = setting;
  return {
    ...(beforeTemplate !== undefined && {
      beforeTemplate: attempt(["hooks", "beforeTemplate"], () => hookOf(beforeTemplate)),
    }),
    ...(afterClone !== undefined && {
      afterClone: attempt(["hooks", "afterClone"], () => hookOf(afterClone)),
    }),
    settleMs: attempt(["hooks", "settle"], () => {
      const settleMs = durationMs(settle ?? HOOK_SETTLE_MS);
      if (settleMs > HOOK_SETTLE_MAX_MS) throw new RangeError("it is more than 60 s");
      return settleMs;
    }),
  };
}

/** @throws {RangeError} */
function hookOf(text: string): ProgramHook {
  const [, port, path] = /^http:\/\/:([0-9]+)(\/.*)$/.exec(text) ?? [];
  if (port === undefined || path === undefined) {
    if (!Object.hasOwn(constants.signals, text)) throw new RangeError(`there is no signal ${text}`);
    return { kind: "signal", signal: text };
  }
  return { kind: "http", port: programPort(Number(port)).port, path };
}

/** @throws {RangeError} */
function scratchOf(setting: NonNullable<WindlassFile["scratch"]>): ScratchDisk {
  const { size, path } = typeof setting === "object" ? setting : { size: setting, path: undefined };
  return scratchDisk({ sizeMib: sizeMib(size), path });
}

function programOf(
  file: WindlassFile,
  document: PositionedDocument,
  words: (path: string, value: string | readonly string[]) => string[],
): ManifestProgram | undefined {
  if (file.entry !== undefined && file.command !== undefined) {
    const message = `"entry" and "command" exclude each other in ${document.file}`;
    throw documentError(document, ["command"], message, "Keep one of them", "key");
  }
  if (file.entry !== undefined) {
    const entry = posix.normalize(file.entry);
    if (entry === "." || entry === ".." || entry.startsWith("../") || entry.startsWith("/")) {
      const message = `"entry" in ${document.file} leads outside the project: ${JSON.stringify(file.entry)}`;
      throw documentError(document, ["entry"], message, "Name a script inside the folder");
    }
    return { kind: "script", entry, nodeFlags: [] };
  }
  if (file.command === undefined) return undefined;
  const argv = words("command", file.command);
  if (!argv[0]) {
    throw documentError(document, ["command"], `"command" in ${document.file} is empty`);
  }
  return { kind: "command", argv };
}

function healthOf(
  setting: NonNullable<WindlassFile["health"]>,
  document: PositionedDocument,
  firstPort: number | undefined,
): Health {
  const check = ((): Health["check"] => {
    if (setting.tcp !== undefined) return { kind: "tcp", port: setting.tcp };
    if (setting.exec) return { kind: "exec", argv: setting.exec };
    const port = setting.http?.port ?? firstPort;
    if (port === undefined) {
      const message = `"health.http" in ${document.file} names no port, and "ports" names none`;
      throw documentError(document, ["health", "http"], message, 'Add "port"');
    }
    return { kind: "http", port, path: setting.http?.path ?? "/" };
  })();
  return {
    check,
    intervalMs: Math.max(100, durationMs(setting.interval ?? HEALTH_INTERVAL_MS)),
    timeoutMs: Math.max(1, durationMs(setting.timeout ?? HEALTH_TIMEOUT_MS)),
    retries: setting.retries ?? HEALTH_RETRIES,
    startPeriodMs: durationMs(setting.startPeriod ?? HEALTH_START_PERIOD_MS),
  };
}
