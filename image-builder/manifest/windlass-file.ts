/**
 * What windlass.yaml, windlass.json and windlass.config.ts may say: one schema. The file
 * windlass.schema.json at the root of the package is its JSON Schema, for editors.
 *
 * Only builds of this package load this module: the builder itself reads windlass.schema.json, since
 * loading TypeBox would take longer than an unchanged build.
 *
 * `errorMessage` completes the sentence `"KEY" ...`; editors built on VS Code's JSON service show it
 * too.
 */
import { type Static, Type } from "typebox";
import { RUNTIME_NAMES } from "../runtimes/runtime.ts";

const closed = { additionalProperties: false } as const;

const Port = Type.Integer({ minimum: 1, maximum: 65535, errorMessage: "must be 1 to 65535" });

const Duration = Type.Union(
  [Type.Integer({ minimum: 0 }), Type.String({ pattern: "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$" })],
  { errorMessage: 'must be milliseconds, or a duration such as "500ms", "5s" or "1m"' },
);

/** Text, or a number or boolean that is taken as the text it was written as. */
const Scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()], {
  errorMessage: "must be text, a number or a boolean",
});

const Arguments = Type.Union([Type.String(), Type.Array(Scalar)], {
  errorMessage: "must be a list of arguments or one line of them",
});

const Pattern = Type.String({ minLength: 1, errorMessage: "must be a gitignore pattern" });
const Patterns = Type.Array(Pattern, {
  errorMessage: "must be a list of gitignore patterns",
});

const TemplateMode = Type.Union([Type.Literal("auto"), Type.Literal("manual")], {
  description: "auto: the first start makes a template (manual)",
  errorMessage: 'must be "auto" or "manual"',
});

const ScratchSize = Type.Union(
  [
    Type.Integer({ minimum: 16, maximum: 1_048_576 }),
    Type.String({ pattern: "^[0-9]+(\\.[0-9]+)? ?([MGT]|[MGT]i?B)$" }),
  ],
  { errorMessage: 'must be MiB (16 or more), or a size such as "512M" or "1GiB"' },
);

const HealthSetting = Type.Object(
  {
    http: Type.Optional(
      Type.Object(
        {
          path: Type.Optional(Type.String({ pattern: "^/", errorMessage: 'must start with "/"' })),
          port: Type.Optional(Port),
        },
        { ...closed, description: "Healthy while GET answers with a status below 400" },
      ),
    ),
    tcp: Type.Optional({ ...Port, description: "Healthy while this port accepts connections" }),
    exec: Type.Optional(
      Type.Array(Type.String({ errorMessage: "must be text" }), {
        minItems: 1,
        description: "Healthy while this command exits with 0",
        errorMessage: "must be a list: a command and its arguments",
      }),
    ),
    interval: Type.Optional({ ...Duration, description: "Between two checks (5s)" }),
    timeout: Type.Optional({ ...Duration, description: "A longer check has failed (3s)" }),
    retries: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: "Failures in a row that make the program unhealthy (3)",
        errorMessage: "must be 1 to 1000",
      }),
    ),
    startPeriod: Type.Optional({ ...Duration, description: "Failures this early do not count" }),
  },
  {
    ...closed,
    description: "How the agent finds out whether the program works: one of http, tcp, exec",
    oneOf: [{ required: ["http"] }, { required: ["tcp"] }, { required: ["exec"] }],
    errorMessage: 'must hold exactly one of "http", "tcp" and "exec"',
  },
);

const Hook = Type.String({
  pattern: "^(SIG[A-Z0-9]+|http://:[0-9]{1,5}/.*)$",
  errorMessage: 'must be a signal such as "SIGUSR1", or a request such as "http://:8080/path"',
});

/** Every key, in the order in which the documentation lists them. */
export const WindlassFile = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: "For editors; not read" })),
    name: Type.Optional(
      Type.String({
        pattern: "^[a-z0-9][a-z0-9._-]{0,127}$",
        description: "Name of the image",
        errorMessage:
          'must be 1 to 128 of a-z, 0-9, ".", "_" and "-", and start with a letter or digit',
      }),
    ),
    entry: Type.Optional(
      Type.String({
        minLength: 1,
        description: "Script that node runs, relative to this file; TypeScript is bundled",
        errorMessage: "must be the path of a script",
      }),
    ),
    command: Type.Optional(
      Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String(), { minItems: 1 })], {
        description: "Command to run instead of a script; a string is split without a shell",
        errorMessage: "must be a command line, or a list: a command and its arguments",
      }),
    ),
    args: Type.Optional({ ...Arguments, description: "Arguments after the script or command" }),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: "^[^=\\u0000]+$" }), Scalar, {
        description: "Environment of the program",
        errorMessage: "must map names to values",
      }),
    ),
    workdir: Type.Optional(
      Type.String({
        pattern: "^/",
        description: "Working directory in the guest (/app)",
        errorMessage: 'must be an absolute path in the guest, such as "/app"',
      }),
    ),
    user: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 0, maximum: 0xffff_fffe }),
          Type.String({ pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$" }),
        ],
        {
          description: "User that the program runs as (0)",
          errorMessage: 'must be a user: name, uid, "name:group" or "uid:gid"',
        },
      ),
    ),
    runtime: Type.Optional(
      Type.Union(
        [
          Type.String({ pattern: `^(${RUNTIME_NAMES.join("|")})(@.+)?$` }),
          Type.Object({ node: Type.String({ minLength: 1 }) }, closed),
        ],
        {
          description:
            'What runs the program, and which versions of it may: "node@22", "python", "native"; by default what the folder\'s files say',
          errorMessage: `must be one of ${RUNTIME_NAMES.join(", ")}, such as "node@22", or { node: ">=20 <25" }`,
        },
      ),
    ),
    isolation: Type.Optional(
      Type.Union([Type.Literal("process"), Type.Literal("thread")], {
        description:
          "Where a Node program runs: in a process of its own, or as a worker of the agent's (process)",
        errorMessage: 'must be "process" or "thread"',
      }),
    ),
    include: Type.Optional(
      Type.Array(
        Type.String({ pattern: "^[^:]+(:/[^:]*)?$", errorMessage: "must be a path of the host" }),
        {
          description:
            'Files and folders of the host that the image has too: "/usr/share/zoneinfo", or "data:/srv/data"',
          errorMessage: 'must be a list of paths, each perhaps with ":" and a place in the guest',
        },
      ),
    ),
    files: Type.Optional(
      Type.Object(
        { include: Type.Optional(Patterns), exclude: Type.Optional(Patterns) },
        {
          ...closed,
          description: "gitignore patterns; include brings back what would be left out",
          errorMessage: 'must hold "include" and "exclude" lists',
        },
      ),
    ),
    memory: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 32, maximum: 1_048_576 }),
          Type.String({ pattern: "^[0-9]+(\\.[0-9]+)? ?([MG]|[MG]i?B)$" }),
        ],
        {
          description: "Memory of the machine; a number is MiB",
          errorMessage: 'must be MiB (32 or more), or a size such as "256M" or "1G"',
        },
      ),
    ),
    cpus: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 255,
        description: "Virtual CPUs",
        errorMessage: "must be a whole number from 1 to 255",
      }),
    ),
    scratch: Type.Optional(
      Type.Union(
        [
          ScratchSize,
          Type.Object(
            {
              size: { ...ScratchSize, description: "Up to 1 TiB; takes what was written" },
              path: Type.Optional(
                Type.String({
                  pattern: "^/",
                  description: "Where it is mounted (/scratch)",
                  errorMessage: 'must be an absolute path in the guest, such as "/data"',
                }),
              ),
            },
            closed,
          ),
        ],
        {
          description: "Writable disk that lives as long as the instance",
          errorMessage: 'must be a size such as "1GiB", or { size: "1GiB", path: "/data" }',
        },
      ),
    ),
    ports: Type.Optional(
      Type.Array(
        Type.Union([Port, Type.String({ pattern: "^[0-9]{1,5}(/(tcp|udp))?$" })], {
          errorMessage: 'must be a port from 1 to 65535, or such as "3000/udp"',
        }),
        {
          description: "Ports that the program listens on",
          errorMessage: 'must be a list of ports such as 3000 or "3000/udp"',
        },
      ),
    ),
    health: Type.Optional(HealthSetting),
    hooks: Type.Optional(
      Type.Object(
        {
          beforeTemplate: Type.Optional({
            ...Hook,
            description: "Before the machine is saved as a template",
          }),
          afterClone: Type.Optional({ ...Hook, description: "When the program wakes in a clone" }),
          settle: Type.Optional({
            ...Duration,
            description: "For the program to act on a signal before the machine is saved (100ms)",
          }),
        },
        {
          ...closed,
          description:
            "For programs that do not use windlass/guest: a signal, or a POST to the port",
          errorMessage: 'must hold "beforeTemplate" and "afterClone"',
        },
      ),
    ),
    template: Type.Optional(
      Type.Union(
        [
          TemplateMode,
          Type.Object(
            {
              mode: Type.Optional(TemplateMode),
              env: Type.Optional(
                Type.Array(Type.String({ pattern: "^[^=\\u0000]+$" }), {
                  description: "Variables that a clone may have otherwise than its template",
                  errorMessage: "must be a list of names",
                }),
              ),
              args: Type.Optional(
                Type.Boolean({ description: "Whether a clone may have more arguments" }),
              ),
              warmUp: Type.Optional(
                Type.Union([Type.Literal(false), Type.String({ pattern: "^/" })], {
                  description: "Path that the program is asked for before it is saved (/)",
                  errorMessage: 'must be a path such as "/warm", or false',
                }),
              ),
            },
            closed,
          ),
        ],
        {
          description: "Machines of this image start as clones of a saved one",
          errorMessage: 'must be "auto", "manual", or hold mode, env, args and warmUp',
        },
      ),
    ),
    restart: Type.Optional(
      Type.String({
        pattern: "^(no|always|on-failure(:[0-9]{1,6})?)$",
        description: "What the agent does when the program has ended (no)",
        errorMessage: 'must be "no", "on-failure", "on-failure:N" or "always"',
      }),
    ),
    onExit: Type.Optional(
      Type.Union([Type.Literal("poweroff"), Type.Literal("keep")], {
        description: "What the machine does when the program has ended for good (poweroff)",
        errorMessage: 'must be "poweroff" or "keep"',
      }),
    ),
    platform: Type.Optional(
      Type.Literal("linux", {
        description: "Kind of kernel",
        errorMessage: 'must be "linux"',
      }),
    ),
    kernel: Type.Optional(
      Type.String({
        minLength: 1,
        description: "A kernel's name, or a path to a kernel file relative to this file",
        errorMessage: "must be a kernel's name or a path",
      }),
    ),
  },
  { ...closed, errorMessage: "must map keys to values" },
);
export type WindlassFile = Static<typeof WindlassFile>;

/** The published JSON Schema, as the text of windlass.schema.json. */
export function windlassSchemaText(): string {
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Windlass image manifest",
    description: "windlass.yaml, windlass.json or windlass.config.ts",
    ...WindlassFile,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
