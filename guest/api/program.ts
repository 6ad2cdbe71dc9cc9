/** The user's program: what it is told to be (spec) and what it is doing (status). */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";
import { Parent } from "./parent.ts";
import { ProgramHooks } from "./program-hooks.ts";
import { SIGNAL_PATTERN } from "./signal.ts";

/** What a timer of Node's can wait, 24 days: a longer one goes off at once. Milliseconds. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

export const HealthCheck = Type.Union(
  [
    Type.Object(
      {
        kind: Type.Literal("http"),
        port: Type.Integer({ minimum: 1, maximum: 65535 }),
        path: Type.String({ pattern: "^/" }),
      },
      { additionalProperties: false },
    ),
    Type.Object(
      { kind: Type.Literal("tcp"), port: Type.Integer({ minimum: 1, maximum: 65535 }) },
      { additionalProperties: false },
    ),
    Type.Object(
      { kind: Type.Literal("exec"), argv: Type.Array(Type.String(), { minItems: 1 }) },
      { additionalProperties: false },
    ),
  ],
  { description: "How the agent finds out whether the program works" },
);
export type HealthCheck = Static<typeof HealthCheck>;

export const Health = Type.Object(
  {
    check: HealthCheck,
    intervalMs: Type.Integer({
      minimum: 100,
      maximum: TIMER_MS_MAX,
      description: "Between two checks",
    }),
    timeoutMs: Type.Integer({
      minimum: 1,
      maximum: TIMER_MS_MAX,
      description: "A check that takes longer has failed",
    }),
    retries: Type.Integer({ minimum: 1, description: "Failures in a row that make it unhealthy" }),
    startPeriodMs: Type.Integer({ minimum: 0, description: "Failures this early do not count" }),
  },
  { additionalProperties: false },
);
export type Health = Static<typeof Health>;

export const RestartPolicy = Type.Object(
  {
    policy: Type.Union([Type.Literal("no"), Type.Literal("on-failure"), Type.Literal("always")]),
    maxRetries: Type.Integer({ minimum: 0, description: "0 means without limit" }),
  },
  { additionalProperties: false },
);
export type RestartPolicy = Static<typeof RestartPolicy>;

export const ProgramPort = Type.Object(
  {
    port: Type.Integer({ minimum: 1, maximum: 65535 }),
    protocol: Type.Union([Type.Literal("tcp"), Type.Literal("udp")]),
  },
  { additionalProperties: false },
);
export type ProgramPort = Static<typeof ProgramPort>;

export const LateBound = Type.Object(
  {
    env: Type.Array(Type.String(), { description: "Names of variables" }),
    args: Type.Boolean({ description: "Arguments beyond those of the image" }),
  },
  { additionalProperties: false, description: "What a clone may have otherwise than its template" },
);
export type LateBound = Static<typeof LateBound>;

export const ProgramSpec = Type.Object(
  {
    argv: Type.Array(Type.String(), {
      minItems: 1,
      description: "argv[0] is an absolute path in the guest",
    }),
    env: Type.Record(Type.String(), Type.String()),
    workdir: Type.String({ pattern: "^/" }),
    user: Type.String({ description: "name, uid, name:group or uid:gid; looked up in the guest" }),
    ports: Type.Array(ProgramPort, { description: "Ports the program is known to listen on" }),
    health: Type.Optional(Health),
    restart: RestartPolicy,
    onExit: Type.Union([Type.Literal("poweroff"), Type.Literal("keep")], {
      description: "What the machine does when the program has ended for good",
    }),
    stopSignal: Type.String({ pattern: SIGNAL_PATTERN }),
    openStdin: Type.Optional(
      Type.Boolean({
        description: "Standard input is a pipe, not /dev/null; see /v1/program/stdin",
      }),
    ),
    lateBound: Type.Optional(LateBound),
    hooks: Type.Optional(ProgramHooks),
    isNode: Type.Boolean({
      description: "Whether V8's heap limit is to be set from the guest size",
    }),
    isolation: Type.Optional(
      Type.Union([Type.Literal("process"), Type.Literal("thread")], {
        description:
          "thread: a Node program runs as a worker in the agent's process; default process",
      }),
    ),
  },
  { additionalProperties: false },
);
export type ProgramSpec = Static<typeof ProgramSpec>;

export const ProgramState = Type.Union([
  Type.Literal("starting"),
  Type.Literal("running"),
  Type.Literal("backoff"),
  Type.Literal("exited"),
]);
export type ProgramState = Static<typeof ProgramState>;

export const ProgramStatus = Type.Object(
  {
    state: ProgramState,
    pid: Type.Union([Type.Integer(), Type.Null()]),
    exitCode: Type.Union([Type.Integer(), Type.Null()], { description: "Of the last run" }),
    signal: Type.Union([Type.String(), Type.Null()], { description: "That ended the last run" }),
    reason: Type.Union([Type.String(), Type.Null()], {
      description: "In words, when there is more to say than the exit status (out of memory, ...)",
    }),
    restarts: Type.Integer({ minimum: 0 }),
    startedAt: Type.Union([Type.String(), Type.Null()], { description: "ISO 8601" }),
    finishedAt: Type.Union([Type.String(), Type.Null()], { description: "ISO 8601" }),
    listening: Type.Array(ProgramPort, { description: "Ports the program listens on now" }),
    ready: Type.Boolean({ description: "Its ports answer and its health check, if any, passed" }),
    health: Type.Union([
      Type.Literal("none"),
      Type.Literal("starting"),
      Type.Literal("healthy"),
      Type.Literal("unhealthy"),
    ]),
    argv: Type.Array(Type.String()),
    workdir: Type.String(),
    user: Type.String(),
    parent: Type.Union([Parent, Type.Null()], {
      description: "Of a clone: what the program was started as",
    }),
  },
  { additionalProperties: false },
);
export type ProgramStatus = Static<typeof ProgramStatus>;

export const programSchemas = {
  programStatus: { reply: ProgramStatus },
  programRestart: { reply: ProgramStatus },
  programStop: {
    body: Type.Object(
      {
        timeoutMs: Type.Integer({
          minimum: 0,
          maximum: 3_600_000,
          description: "For the program to end by itself; then it is killed",
        }),
      },
      { additionalProperties: false },
    ),
    reply: ProgramStatus,
  },
  programSignal: {
    body: Type.Object(
      { signal: Type.String({ pattern: SIGNAL_PATTERN, description: "SIGTERM, SIGRTMIN+3, ..." }) },
      { additionalProperties: false },
    ),
    reply: ProgramStatus,
  },
  programStdin: {
    query: Type.Object(
      { end: Type.Optional(Type.Boolean({ description: "Close it after these bytes" })) },
      { additionalProperties: false },
    ),
  },
} satisfies Record<string, OperationSchemas>;
