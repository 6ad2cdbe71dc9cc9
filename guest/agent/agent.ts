/**
 * The management agent: a Fastify server built from the routes table. It holds no state of its own
 * beyond what it is given, and it starts as little as possible: a noun's operations are loaded
 * when one of them is first called, the schemas when a request first needs checking.
 */
import type { IncomingMessage } from "node:http";
import { parse as parseForm } from "node:querystring";
import { type Duplex, Readable } from "node:stream";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Role } from "../api/instance-document.ts";
import { EXEC_UPGRADE, type OperationId, type Route, routes, type Tag } from "../api/routes.ts";
import { AgentError } from "./agent-error.ts";
import { Authorization, allows, type TokenDigest } from "./authorization.ts";
import { errorReply, forbidden, sendError, unauthorized } from "./error-reply.ts";
import type { GuestSystem, ProgramControl } from "./guest-system.ts";
import type { LogBuffer } from "./log-buffer.ts";
import { type Agent, BATCH_HEADER, Call, type Operations, type Payload } from "./operation.ts";
import type { TemplateGateOptions } from "./template-gate.ts";

/** Longest JSON, form or stdin body. Uploads and archives are streams with bounds of their own. */
export const BODY_LIMIT_BYTES = 1024 * 1024;
/** Longest reply of one call of a batch, which is collected in memory. */
const BATCH_REPLY_MAX_BYTES = 1024 * 1024;
/** For the headers of a request to arrive. */
const HEADERS_TIMEOUT_MS = 10_000;
/** For a whole request to arrive; long enough for an archive over an emulated network card. */
const REQUEST_TIMEOUT_MS = 600_000;
/** An idle connection is closed after this. */
const KEEP_ALIVE_TIMEOUT_MS = 60_000;
/** Further connections are refused. */
const CONNECTIONS_MAX = 256;
/** Longest `{name}` in a path; the longest path Linux knows (PATH_MAX). */
const PATH_PARAMETER_MAX = 4096;

const JSON_TYPE = "application/json; charset=utf-8";

export interface AgentOptions {
  /** Read at every request: whoever owns the options may replace them. */
  readonly tokens: readonly TokenDigest[];
  readonly system: GuestSystem;
  readonly program: ProgramControl;
  /** Whoever supervises the program pushes its output here. */
  readonly logs: LogBuffer;
  /**
   * The environment that programs started from now on receive: exec, /app, and the instance's own
   * program at its next start. `/env` changes it in place.
   */
  readonly environment: Record<string, string>;
  /** Where exec and /app start when they are not told. */
  readonly workdir: string;
  readonly instance: { readonly id: string; readonly name: string };
  /** Absent on a machine that cannot be made a template of. */
  readonly wake?: TemplateGateOptions | undefined;
  /** Of Windlass. */
  readonly version: string;
  readonly platform: "linux" | "osv";
}

/** What answers a noun's operations; each is loaded when first needed. */
const nouns: { readonly [T in Tag]: (agent: Agent) => Promise<Operations<T>> } = {
  os: async (agent) => (await import("./os.ts")).osOperations(agent),
  env: async (agent) => (await import("./env.ts")).envOperations(agent),
  file: async () => (await import("./file.ts")).fileOperations(),
  fs: async (agent) => (await import("./fs.ts")).fsOperations(agent),
  hardware: async (agent) => (await import("./hardware.ts")).hardwareOperations(agent),
  network: async (agent) => (await import("./network.ts")).networkOperations(agent),
  app: async (agent) => (await import("./app.ts")).appOperations(agent),
  api: async (agent) => (await import("./api.ts")).apiOperations(agent),
  program: async (agent) => (await import("./program.ts")).programOperations(agent),
  logs: async (agent) => (await import("./logs.ts")).logsOperations(agent),
  exec: async (agent) => (await import("./exec.ts")).execOperations(agent),
  archive: async (agent) => (await import("./archive.ts")).archiveOperations(agent),
  metrics: async (agent) => (await import("./metrics.ts")).metricsOperations(agent),
  health: async (agent) => (await import("./health.ts")).healthOperations(agent),
  template: async (agent) => (await import("./template.ts")).templateOperations(agent),
  stats: async (agent) => (await import("./stats.ts")).statsOperations(agent),
  instance: async (agent) => (await import("./instance.ts")).instanceOperations(agent),
  clock: async (agent) => (await import("./clock.ts")).clockOperations(agent),
  openapi: async () => (await import("./openapi.ts")).openapiOperations(),
};

/** Any operation, once its own types no longer matter. */
type AnyOperation = (args: object, call: Call) => unknown;

/**
 * Builds the agent; the caller listens. `close()` ends it: streams, child processes, connections.
 * @throws {TypeError} when a token digest is malformed
 */
export async function createAgent(options: AgentOptions): Promise<FastifyInstance> {
  const authorization = new Authorization(options);
  const closing = new AbortController();
  const app = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: PATH_PARAMETER_MAX },
    // Requests are checked by request-check.ts and replies are plain JSON.stringify: this keeps
    // Fastify from loading its two schema compilers.
    schemaController: {
      compilersFactory: { buildValidator: () => noCompiler, buildSerializer: () => noCompiler },
    },
    frameworkErrors: sendError,
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  // Not a copy: what of the options changes, changes for the agent too.
  const agent: Agent = Object.assign(Object.create(options), { app, closing: closing.signal });

  app.addHook("onRequest", (_request, _reply, done) => {
    if (options.wake?.waking) void options.wake.waking.then(() => done());
    else done();
  });
  addBodyParsers(app);
  app.setErrorHandler(sendError);
  app.setNotFoundHandler((request, reply) => {
    const known = authorization.roleOf(request.headers.authorization) !== undefined;
    const error = known ? new AgentError("WL_AGENT_NOT_FOUND", "Not found") : unauthorized();
    sendError(error, request, reply);
  });
  const load = operationLoader(agent);
  for (const [id, route] of Object.entries(routes) as [OperationId, Route][]) {
    addRoute(agent, route, { authorization, id, load: () => load(id, route.tag as Tag) });
  }
  app.server.on("upgrade", async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    await options.wake?.waking;
    upgrade(agent, authorization, request, socket, head);
  });
  app.addHook("preClose", async () => closing.abort(new Error("the agent is closing")));
  await app.ready();
  return app;
}

/** Finds operations; all of a noun's are made together, once, and may share what they know. */
function operationLoader(agent: Agent): (id: OperationId, tag: Tag) => Promise<AnyOperation> {
  const loaded = new Map<Tag, Promise<Record<string, AnyOperation>>>();
  return async (id, tag) => {
    let operations = loaded.get(tag);
    if (operations === undefined) {
      operations = nouns[tag](agent) as Promise<unknown> as Promise<Record<string, AnyOperation>>;
      loaded.set(tag, operations);
    }
    return (await operations)[id] as AnyOperation;
  };
}

interface RouteContext {
  readonly authorization: Authorization;
  readonly id: OperationId;
  readonly load: () => Promise<AnyOperation>;
}

function addRoute(agent: Agent, route: Route, { authorization, id, load }: RouteContext): void {
  const wildcard = /\{(\w+)\*\}$/.exec(route.path)?.[1];
  let operation: AnyOperation | undefined;

  const slowly = async (request: FastifyRequest, reply: FastifyReply, role: Role) => {
    try {
      operation ??= await load();
      const args = route.takes.length === 0 ? {} : await check(id, route, wildcard, request);
      const result = await operation(args, new Call(request, reply, role, agent.closing));
      return send(route, reply, result);
    } catch (error) {
      // The caller may still be sending: take the rest, or it would never read why it was refused.
      if (request.body instanceof Readable) request.body.resume();
      throw error;
    }
  };

  agent.app.route({
    method: route.method,
    url: route.path.replace(/\{\w+\*\}/, "*").replace(/\{(\w+)\}/, ":$1"),
    // Authorisation comes before the body is read.
    onRequest(request, _reply, done) {
      const role = authorization.roleOf(request.headers.authorization);
      if (role === undefined) done(unauthorized());
      else if (!allows(role, route.role)) done(forbidden(role));
      else if (isBatched(request) && !mayBeBatched(route)) done(notInBatch());
      else done();
    },
    handler(request, reply) {
      const role = authorization.roleOf(request.headers.authorization) ?? "monitor";
      if (operation === undefined || route.takes.length > 0) return slowly(request, reply, role);
      const result = operation({}, new Call(request, reply, role, agent.closing));
      if (result instanceof Promise) return result.then((value) => send(route, reply, value));
      return send(route, reply, result);
    },
  });
}

async function check(
  id: OperationId,
  route: Route,
  wildcard: string | undefined,
  request: FastifyRequest,
): Promise<object> {
  const { checkRequest } = await import("./request-check.ts");
  const given = request.params as Record<string, string>;
  const path = wildcard === undefined ? given : { [wildcard]: given["*"] ?? "" };
  const query = request.query as Record<string, unknown>;
  return checkRequest(id, route, { path, query, body: request.body });
}

function send(route: Route, reply: FastifyReply, result: unknown): FastifyReply {
  switch (route.produces) {
    case "json":
      return reply.header("content-type", JSON_TYPE).send(JSON.stringify(result));
    case "nothing":
      return reply.send();
    case "ndjson":
    case "tar":
    case "text":
    case "bytes": {
      const payload = result as Payload;
      reply.header("content-type", payload.contentType);
      if (isBatched(reply.request) && !isShort(payload)) throw notInBatch();
      if (payload.lengthBytes !== undefined) reply.header("content-length", payload.lengthBytes);
      return reply.send(payload.body);
    }
  }
}

function isBatched(request: FastifyRequest): boolean {
  return request.headers[BATCH_HEADER] !== undefined;
}

/** Streams have no end of their own, and a batch within a batch has no bound. Judged by route, not by URL. */
function mayBeBatched(route: Route): boolean {
  return route.produces !== "ndjson" && route.produces !== "tar" && route.tag !== "api";
}

/** Whether the body may be collected in memory; one that will not do is let go. */
function isShort({ body, lengthBytes }: Payload): boolean {
  if (!(body instanceof Readable) || (lengthBytes ?? Infinity) <= BATCH_REPLY_MAX_BYTES)
    return true;
  body.destroy();
  return false;
}

function notInBatch(): AgentError {
  return new AgentError("WL_AGENT_BAD_REQUEST", "This call cannot be part of a batch");
}

/** JSON is Fastify's own; text/plain is not spoken here. Streams are left to their operation. */
function addBodyParsers(app: FastifyInstance): void {
  app.removeContentTypeParser("text/plain");
  app.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "string" },
    (_request, body, done) => done(null, parseForm(body as string)),
  );
  app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_r, body, done) =>
    done(null, body),
  );
  app.addContentTypeParser(
    ["multipart/form-data", "application/x-tar"],
    { bodyLimit: Number.MAX_SAFE_INTEGER },
    (_request, stream, done) => done(null, stream),
  );
}

function noCompiler(): never {
  throw new Error("routes carry no Fastify schema");
}

/** The one upgrade there is: `POST /v1/exec` to the framed stream. */
function upgrade(
  agent: Agent,
  authorization: Authorization,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  socket.on("error", () => socket.destroy());
  const role = authorization.roleOf(request.headers.authorization);
  const path = request.url?.split("?")[0];
  let error: AgentError | undefined;
  if (role === undefined) error = unauthorized();
  else if (path !== routes.exec.path || request.method !== "POST") {
    error = new AgentError("WL_AGENT_NOT_FOUND", "Nothing can be upgraded here");
  } else if (request.headers.upgrade?.toLowerCase() !== EXEC_UPGRADE) {
    error = new AgentError("WL_AGENT_BAD_REQUEST", `Upgrade must be ${EXEC_UPGRADE}`);
  } else if (!allows(role, routes.exec.role)) error = forbidden(role);
  if (error) {
    refuseUpgrade(socket, error);
    return;
  }
  // Whatever goes wrong in a session ends that session, never the agent.
  import("./exec-session.ts")
    .then(({ runExecSession }) => runExecSession(agent, socket, head))
    .catch((cause) => socket.destroy(cause));
}

function refuseUpgrade(socket: Duplex, error: AgentError): void {
  const reply = errorReply(error);
  const body = JSON.stringify(reply);
  socket.end(
    `HTTP/1.1 ${reply.statusCode} ${reply.error}\r\n` +
      (reply.statusCode === 401 ? `WWW-Authenticate: Bearer realm="windlass"\r\n` : "") +
      `Content-Type: ${JSON_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
