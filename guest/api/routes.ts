/**
 * Every operation of the agent: where it is, who may call it, what it takes. The server and the client
 * are both built from this table. The file imports nothing and costs nothing to load: the agent
 * starts on an emulated CPU, where each millisecond of module loading is twenty. The schemas are in
 * `schemas.ts`, under the same operation ids, and are loaded when a request first needs checking.
 */

/** Header value that turns `POST /v1/exec` into the framed stream of `exec-frame.ts`. */
export const EXEC_UPGRADE = "windlass-exec";

/** TCP port the agent listens on, as OSv's server does. */
export const AGENT_PORT = 8000;

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `{name}` is one path segment; `{name*}` is the whole rest of the path, slashes included. */
  readonly path: string;
  /** The least role that may call it; `admin` may call everything. */
  readonly role: "monitor" | "admin";
  /** The noun: the file in `guest/api` and `guest/agent` that it lives in. */
  readonly tag: string;
  /** OSv's contract: errors are `{message, code}` and unknown query parameters are ignored. */
  readonly osv: boolean;
  /** The parts of a request that have a schema. */
  readonly takes: readonly ("path" | "query" | "body")[];
  /** How the body of a request travels, when there is one. Default `json`. */
  readonly consumes?: "json" | "form" | "multipart" | "tar" | "bytes";
  /** How a successful reply travels. */
  readonly produces: "json" | "ndjson" | "tar" | "text" | "bytes" | "nothing";
  readonly summary: string;
}

const monitor = { role: "monitor", osv: true, takes: [], produces: "json" } as const;
const admin = { role: "admin", osv: true, takes: [], produces: "json" } as const;
const os = { ...monitor, method: "GET", tag: "os" } as const;
const hardware = { ...monitor, method: "GET", tag: "hardware" } as const;
const network = { ...monitor, method: "GET", tag: "network" } as const;
const v1Monitor = { ...monitor, osv: false, method: "GET" } as const;
const v1Admin = { ...admin, osv: false } as const;

export const routes = {
  osName: { ...os, path: "/os/name", summary: "Name of the operating system" },
  osVersion: { ...os, path: "/os/version", summary: "Version of the operating system" },
  osVendor: { ...os, path: "/os/vendor", summary: "Vendor of the image" },
  osUptime: { ...os, path: "/os/uptime", summary: "Seconds since boot" },
  osDate: { ...os, path: "/os/date", summary: "Date and time now" },
  osMemoryTotal: { ...os, path: "/os/memory/total", summary: "Usable memory in bytes" },
  osMemoryFree: { ...os, path: "/os/memory/free", summary: "Memory still available, in bytes" },
  osMemoryBalloon: { ...os, path: "/os/memory/balloon", summary: "JVM balloon in bytes: always 0" },
  osPoweroff: { ...admin, method: "POST", tag: "os", path: "/os/poweroff", summary: "Power off" },
  osShutdown: { ...admin, method: "POST", tag: "os", path: "/os/shutdown", summary: "Power off" },
  osReboot: { ...admin, method: "POST", tag: "os", path: "/os/reboot", summary: "Reboot" },
  osDmesg: { ...os, path: "/os/dmesg", summary: "The kernel's log" },
  osHostname: { ...os, path: "/os/hostname", summary: "Host name" },
  osSetHostname: {
    ...admin,
    method: "POST",
    tag: "os",
    path: "/os/hostname",
    takes: ["query"],
    summary: "Set the host name",
  },
  osThreads: { ...os, path: "/os/threads", summary: "All threads" },
  osCmdline: { ...os, path: "/os/cmdline", summary: "Kernel command line" },
  osSetCmdline: {
    ...admin,
    method: "POST",
    tag: "os",
    path: "/os/cmdline",
    takes: ["query"],
    summary: "Refused: the host owns the kernel command line",
  },

  envList: {
    ...admin,
    method: "GET",
    tag: "env",
    path: "/env",
    summary: "Environment of programs started from now on",
  },
  envGet: {
    ...admin,
    method: "GET",
    tag: "env",
    path: "/env/{var*}",
    takes: ["path"],
    summary: "One variable",
  },
  envSet: {
    ...admin,
    method: "POST",
    tag: "env",
    path: "/env/{var*}",
    takes: ["path", "query"],
    summary: "Set one variable",
  },
  envUnset: {
    ...admin,
    method: "DELETE",
    tag: "env",
    path: "/env/{var*}",
    takes: ["path"],
    summary: "Remove one variable",
  },

  fileGet: {
    ...admin,
    method: "GET",
    tag: "file",
    path: "/file/{path*}",
    takes: ["path", "query"],
    produces: "bytes",
    summary: "Read a file, list a folder, or describe either",
  },
  fileDelete: {
    ...admin,
    method: "DELETE",
    tag: "file",
    path: "/file/{path*}",
    takes: ["path", "query"],
    produces: "nothing",
    summary: "Delete a file or folder",
  },
  fileUpload: {
    ...admin,
    method: "POST",
    tag: "file",
    path: "/file/{path*}",
    takes: ["path"],
    consumes: "multipart",
    produces: "nothing",
    summary: "Upload one file",
  },
  filePut: {
    ...admin,
    method: "PUT",
    tag: "file",
    path: "/file/{path*}",
    takes: ["path", "query"],
    produces: "nothing",
    summary: "Make a folder, rename, copy or write",
  },

  fsDf: {
    ...monitor,
    method: "GET",
    tag: "fs",
    path: "/fs/df",
    summary: "Use of all file systems",
  },
  fsDfMount: {
    ...monitor,
    method: "GET",
    tag: "fs",
    path: "/fs/df/{mount*}",
    takes: ["path"],
    summary: "Use of one file system",
  },

  hardwareProcessorFlags: {
    ...hardware,
    path: "/hardware/processor/flags",
    summary: "CPU feature flags",
  },
  hardwareProcessorCount: { ...hardware, path: "/hardware/processor/count", summary: "vCPUs" },
  hardwareFirmwareVendor: {
    ...hardware,
    path: "/hardware/firmware/vendor",
    summary: "Vendor of the firmware",
  },
  hardwareHypervisor: { ...hardware, path: "/hardware/hypervisor", summary: "Hypervisor" },

  networkInterfaces: { ...network, path: "/network/ifconfig", summary: "All interfaces" },
  networkInterface: {
    ...network,
    path: "/network/ifconfig/{intf}",
    takes: ["path"],
    summary: "One interface",
  },
  networkRoutes: { ...network, path: "/network/route", summary: "Route table" },

  appRun: {
    ...admin,
    method: "PUT",
    tag: "app",
    path: "/app",
    takes: ["query"],
    summary: "Start programs; replies with their process ids",
  },
  appFinished: {
    ...monitor,
    method: "GET",
    tag: "app",
    path: "/app/finished",
    takes: ["query"],
    summary: "Whether the program with this id has ended",
  },

  apiBatch: {
    ...monitor,
    method: "POST",
    tag: "api",
    path: "/api/batch",
    consumes: "multipart",
    summary: "Several calls in one request",
  },
  apiStop: { ...admin, method: "POST", tag: "api", path: "/api/stop", summary: "Stop the agent" },

  programStatus: {
    ...v1Monitor,
    tag: "program",
    path: "/v1/program",
    summary: "What the program is doing",
  },
  programRestart: {
    ...v1Admin,
    method: "POST",
    tag: "program",
    path: "/v1/program/restart",
    summary: "Stop the program and start it again",
  },
  programStop: {
    ...v1Admin,
    method: "POST",
    tag: "program",
    path: "/v1/program/stop",
    takes: ["body"],
    summary: "End the program for good: its stop signal, then SIGKILL",
  },
  programSignal: {
    ...v1Admin,
    method: "POST",
    tag: "program",
    path: "/v1/program/signal",
    takes: ["body"],
    summary: "Send the program a signal",
  },
  programStdin: {
    ...v1Admin,
    method: "POST",
    tag: "program",
    path: "/v1/program/stdin",
    takes: ["query"],
    consumes: "bytes",
    produces: "nothing",
    summary: "Write to the program's standard input",
  },

  logs: {
    ...v1Monitor,
    tag: "logs",
    path: "/v1/logs",
    takes: ["query"],
    produces: "ndjson",
    summary: "The program's output, one JSON record a line",
  },
  exec: {
    ...v1Admin,
    method: "POST",
    tag: "exec",
    path: "/v1/exec",
    takes: ["body"],
    summary: "Run a program to its end; with Upgrade: windlass-exec, talk to it meanwhile",
  },
  archiveGet: {
    ...v1Admin,
    method: "GET",
    tag: "archive",
    path: "/v1/archive",
    takes: ["query"],
    produces: "tar",
    summary: "A file or folder as a tar stream",
  },
  archivePut: {
    ...v1Admin,
    method: "PUT",
    tag: "archive",
    path: "/v1/archive",
    takes: ["query"],
    consumes: "tar",
    summary: "Unpack a tar stream into a folder",
  },

  metrics: {
    ...v1Monitor,
    tag: "metrics",
    path: "/v1/metrics",
    produces: "text",
    summary: "Prometheus metrics",
  },
  health: {
    ...v1Monitor,
    tag: "health",
    path: "/v1/health",
    summary: "Agent alive, program ready",
  },
  stats: { ...v1Monitor, tag: "stats", path: "/v1/stats", summary: "Use of the machine, counters" },
  instance: {
    ...v1Monitor,
    tag: "instance",
    path: "/v1/instance",
    summary: "Which instance this is",
  },
  instanceSet: {
    ...v1Admin,
    method: "PUT",
    tag: "instance",
    path: "/v1/instance",
    takes: ["body"],
    summary: "Make a restored machine another instance; tokens change with it",
  },
  clockAdvance: {
    ...v1Admin,
    method: "POST",
    tag: "clock",
    path: "/v1/clock/advance",
    takes: ["body"],
    summary: "Set the clock right after the machine stood still",
  },
  templateWarmUp: {
    ...v1Admin,
    method: "POST",
    tag: "template",
    path: "/v1/template/warm-up",
    takes: ["body"],
    summary: "Send the program requests, so that what a request needs has run once",
  },
  templateTrim: {
    ...v1Admin,
    method: "POST",
    tag: "template",
    path: "/v1/template/trim",
    summary: "Give free memory back: drop the page cache, fill what is free with zeros",
  },
  templatePrepare: {
    ...v1Admin,
    method: "POST",
    tag: "template",
    path: "/v1/template/prepare",
    takes: ["body"],
    summary: "Run the program's hooks, then stop everything until the machine is woken",
  },
  openapi: { ...v1Monitor, tag: "openapi", path: "/v1/openapi.json", summary: "This contract" },
} as const satisfies Record<string, Route>;

export type Routes = typeof routes;
export type OperationId = keyof Routes;
export type Tag = Routes[OperationId]["tag"];
/** The operations of one noun. */
export type OperationsOf<T extends Tag> = {
  [Id in OperationId]: Routes[Id]["tag"] extends T ? Id : never;
}[OperationId];
