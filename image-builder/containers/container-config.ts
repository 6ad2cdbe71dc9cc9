/** What a container image says of its program (OCI image specification, "Image Configuration"; Docker's is the same). */
import { type Health, type ProgramPort, TIMER_MS_MAX } from "../../guest/api/program.ts";
import { signalName, signalNumber } from "../../guest/api/signal.ts";
import { quoted } from "../foreign-text.ts";
import { containerError } from "./container-error.ts";
import { Document, parseDigest } from "./document.ts";
import type { Digest } from "./layer-stream.ts";

export interface ContainerConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** name, uid, name:group or uid:gid; empty is root. */
  readonly user: string;
  /** Absolute. */
  readonly workdir: string;
  /** None where there are more than 1000: a range of all ports there are says nothing. */
  readonly ports: readonly ProgramPort[];
  readonly volumes: readonly string[];
  readonly stopSignal: string;
  readonly health?: Health | undefined;
}

/** Of one argument or variable with its closing zero: MAX_ARG_STRLEN of Linux (include/uapi/linux/binfmts.h). */
const TEXT_BYTES_MAX = 128 * 1024;
/** Of all of them as JSON: half of what the store takes for a configuration. */
const TEXTS_BYTES_MAX = 512 * 1024;
/** As many as an image of the store may have. */
const EXPOSED_PORTS_MAX = 1000;
const NANOSECONDS_PER_MS = 1_000_000;
/** Docker's, where the image says nothing. */
const HEALTH_DEFAULT_MS = 30_000;
const HEALTH_RETRIES = 3;

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID; also for an image of another platform */
export function parseConfig(document: Document): { config: ContainerConfig; diffIds: Digest[] } {
  const rootfs = document.document("rootfs");
  if (!rootfs) {
    throw containerError(`${document.title} has no "rootfs": it is no container image`, {
      next: "Name the reference of a container image",
    });
  }
  const platform = `${document.text("os") ?? ""}/${document.text("architecture") ?? ""}`;
  if (platform !== "linux/amd64") {
    throw containerError(`The image is for ${quoted(platform)}, Windlass runs linux/amd64`, {
      next: "Get the image for linux/amd64",
    });
  }
  const diffIds = rootfs.texts("diff_ids").map((text) => parseDigest(text, rootfs.title));
  const config = document.document("config") ?? new Document("config", {});
  const workdir = config.text("WorkingDir") || "/";
  const test = config.document("Healthcheck")?.texts("Test") ?? [];
  checkRoom([...["Entrypoint", "Cmd", "Env"].flatMap((key) => config.texts(key)), ...test]);
  return {
    diffIds,
    config: {
      entrypoint: config.texts("Entrypoint"),
      cmd: config.texts("Cmd"),
      env: variables(config.texts("Env")),
      user: config.text("User") ?? "",
      workdir: workdir.startsWith("/") ? workdir : `/${workdir}`,
      ports: exposedPorts(config.names("ExposedPorts")),
      volumes: config.names("Volumes"),
      stopSignal: stopSignal(config.text("StopSignal") || "SIGTERM"),
      health: healthOf(config.document("Healthcheck")),
    },
  };
}

function checkRoom(texts: readonly string[]): void {
  const longest = Math.max(0, ...texts.map((text) => Buffer.byteLength(text)));
  if (longest >= TEXT_BYTES_MAX) {
    throw containerError(
      `An argument or variable of the image has ${longest} bytes, Linux allows ${TEXT_BYTES_MAX - 1}`,
    );
  }
  const total = Buffer.byteLength(JSON.stringify(texts));
  if (total <= TEXTS_BYTES_MAX) return;
  throw containerError(
    `The image's arguments and variables have ${total} bytes, more than ${TEXTS_BYTES_MAX}`,
  );
}

function variables(lines: readonly string[]): Record<string, string> {
  const entries = lines.map((line): [string, string] => {
    const equals = line.indexOf("=");
    if (equals <= 0) {
      throw containerError(`The image has the variable ${quoted(line)}, which is no NAME=VALUE`);
    }
    return [line.slice(0, equals), line.slice(equals + 1)];
  });
  return Object.fromEntries(entries);
}

interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: "tcp" | "udp";
}

/** Ranges are counted before they become ports: a short text can name 65,535 of them. */
function exposedPorts(texts: readonly string[]): ProgramPort[] {
  const ranges = texts.flatMap(portRange);
  const count = ranges.reduce((total, { first, last }) => total + last - first + 1, 0);
  if (count > EXPOSED_PORTS_MAX) return [];
  return ranges.flatMap(({ first, last, protocol }) =>
    Array.from({ length: last - first + 1 }, (_, index) => ({ port: first + index, protocol })),
  );
}

/** "80", "80/tcp", "5000-5010/udp"; sctp is none of ours. */
function portRange(text: string): PortRange[] {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? first);
  if (!match || first < 1 || last > 65_535 || last < first) {
    throw containerError(`The image exposes ${quoted(text)}, which is no port`);
  }
  const protocol = (match[3] ?? "tcp").toLowerCase();
  if (protocol === "sctp") return [];
  return [{ first, last, protocol: protocol === "udp" ? "udp" : "tcp" }];
}

/** "SIGQUIT", "QUIT", "RTMIN+3" or "3", as Docker takes them. */
function stopSignal(text: string): string {
  const isNumber = /^[0-9]{1,2}$/.test(text);
  const named = text.startsWith("SIG") ? text : `SIG${text}`;
  const name = isNumber ? signalName(Number(text)) : named;
  if (name !== undefined && signalNumber(name) !== undefined) return name;
  throw containerError(`The image is stopped with the signal ${quoted(text)}, which is unknown`);
}

function healthOf(check: Document | undefined): Health | undefined {
  const [kind, ...words] = check?.texts("Test") ?? [];
  if (!check || kind === undefined || kind === "NONE" || words.length === 0) return undefined;
  const argv = kind === "CMD" ? words : ["/bin/sh", "-c", words.join(" ")];
  const ms = (key: string, otherwise: number): number =>
    Math.min(TIMER_MS_MAX, Math.round((check.size(key) ?? 0) / NANOSECONDS_PER_MS)) || otherwise;
  return {
    check: { kind: "exec", argv },
    intervalMs: Math.max(100, ms("Interval", HEALTH_DEFAULT_MS)),
    timeoutMs: ms("Timeout", HEALTH_DEFAULT_MS),
    retries: check.size("Retries") || HEALTH_RETRIES,
    startPeriodMs: ms("StartPeriod", 0),
  };
}
