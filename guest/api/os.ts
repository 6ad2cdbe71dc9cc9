/** /os: the operating system, with OSv's paths and reply shapes. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

export const Thread = Type.Object(
  {
    id: Type.Integer({ description: "Kernel thread id" }),
    status: Type.Union(
      [
        Type.Literal("invalid"),
        Type.Literal("prestarted"),
        Type.Literal("unstarted"),
        Type.Literal("waiting"),
        Type.Literal("running"),
        Type.Literal("queued"),
        Type.Literal("waking"),
        Type.Literal("terminating"),
        Type.Literal("terminated"),
      ],
      { description: "OSv's words; Linux shows waiting, running, terminating and terminated" },
    ),
    cpu: Type.Integer({ description: "vCPU it last ran on" }),
    cpu_ms: Type.Integer({ minimum: 0, description: "CPU time in milliseconds" }),
    switches: Type.Integer({ minimum: 0, description: "Context switches" }),
    migrations: Type.Integer({ minimum: 0, description: "Moves between vCPUs; 0 if not known" }),
    preemptions: Type.Integer({ minimum: 0, description: "Involuntary context switches" }),
    name: Type.String(),
    priority: Type.Number({ description: "The kernel's priority" }),
    stack_size: Type.Integer({ minimum: 0, description: "Bytes" }),
  },
  { additionalProperties: false },
);
export type Thread = Static<typeof Thread>;

export const Threads = Type.Object(
  {
    time_ms: Type.Integer({ description: "Unix time in milliseconds" }),
    list: Type.Array(Thread),
  },
  { additionalProperties: false },
);
export type Threads = Static<typeof Threads>;

const bytes = Type.Integer({ minimum: 0, description: "Bytes" });
/** OSv answers `""` when there is nothing to say. */
const nothing = Type.Literal("");

export const osSchemas = {
  osName: { reply: Type.String() },
  osVersion: { reply: Type.String() },
  osVendor: { reply: Type.String() },
  osUptime: { reply: Type.Integer({ minimum: 0, description: "Seconds" }) },
  osDate: { reply: Type.String({ description: "strftime %a %b %d %H:%M:%S %Z %Y" }) },
  osMemoryTotal: { reply: bytes },
  osMemoryFree: { reply: bytes },
  osMemoryBalloon: { reply: bytes },
  osPoweroff: { reply: nothing },
  osShutdown: { reply: nothing },
  osReboot: { reply: nothing },
  osDmesg: { reply: Type.String() },
  osHostname: { reply: Type.String() },
  osSetHostname: {
    query: Type.Object(
      {
        name: Type.String({
          pattern: "^[A-Za-z0-9]([A-Za-z0-9.-]{0,63})$",
          description: "At most 64 characters, HOST_NAME_MAX of Linux",
        }),
      },
      { additionalProperties: false },
    ),
    reply: nothing,
  },
  osThreads: { reply: Threads },
  osCmdline: { reply: Type.String() },
  osSetCmdline: {
    query: Type.Object({ cmdline: Type.String() }, { additionalProperties: false }),
    reply: Type.String(),
  },
} satisfies Record<string, OperationSchemas>;
