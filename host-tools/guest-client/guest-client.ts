/** The typed client of `guest/api`, built from the same routes table as the server. */
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { ArchiveReceipt } from "../../guest/api/archive.ts";
import type { ExecOpen } from "../../guest/api/exec.ts";
import type { LogRecord } from "../../guest/api/logs.ts";
import { type OperationId, type Route, type Routes, routes } from "../../guest/api/routes.ts";
import type { Arguments, ReplyOf } from "../../guest/api/schemas.ts";
import { type AgentAddress, Exchange, type Outgoing, protocolError } from "./exchange.ts";
import { type ExecSession, openExecSession } from "./exec-session.ts";
import { type RequestArguments, requestPath } from "./request-path.ts";

/** For an agent to begin its reply. */
export const GUEST_TIMEOUT_MS = 15_000;

export interface GuestClientOptions extends AgentAddress {
  /** Until a reply begins, in milliseconds; 0 waits for ever. Default GUEST_TIMEOUT_MS. */
  readonly timeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** For this call alone; an exec or a restart may take its time. */
  readonly timeoutMs?: number;
}

export interface RawReply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** Operations whose reply is one value: JSON, or text, or nothing. The others have methods. */
export type CallableId = {
  [Id in OperationId]: Routes[Id]["produces"] extends "ndjson" | "tar"
    ? never
    : Routes[Id] extends { consumes: "tar" | "multipart" }
      ? never
      : Id;
}[OperationId];

/** What a call resolves with. */
export type CallReply<Id extends CallableId> = Routes[Id]["produces"] extends "json"
  ? ReplyOf<Id>
  : Routes[Id]["produces"] extends "text"
    ? string
    : Routes[Id]["produces"] extends "bytes"
      ? Buffer
      : undefined;

/** Arguments of a call; `programStdin` takes bytes as its body. */
export type CallArguments<Id extends CallableId> = Arguments<Id> &
  (Routes[Id] extends { consumes: "bytes" } ? { readonly body: Uint8Array } : unknown);

/**
 * All methods throw HostError: WL_GUEST_UNREACHABLE (no connection, no reply in time),
 * WL_GUEST_REFUSED (`facts.detail` has `status`, `code`, `message`), WL_GUEST_PROTOCOL (the reply is
 * not what the contract says); or the signal's reason.
 */
export interface GuestClient extends AsyncDisposable {
  call<Id extends CallableId>(
    id: Id,
    args: CallArguments<Id>,
    options?: CallOptions,
  ): Promise<CallReply<Id>>;
  /** Records as they come; with `follow` until the signal is aborted or the guest ends. */
  logs(query: Arguments<"logs">["query"], options?: CallOptions): AsyncGenerator<LogRecord>;
  /** Starts a command and talks to it. `signal` breaks it off at any time. */
  exec(open: ExecOpen, options?: CallOptions): Promise<ExecSession>;
  /** A file or folder of the guest as a tar stream. */
  archiveGet(path: string, options?: CallOptions): Promise<Readable>;
  /** Unpacks a tar stream into a folder of the guest. */
  archivePut(path: string, tar: Readable, options?: CallOptions): Promise<ArchiveReceipt>;
  /** Any request; refusals are replies here, not errors. A string body is sent as JSON. */
  raw(
    method: string,
    path: string,
    body?: string | Uint8Array,
    options?: CallOptions & { readonly contentType?: string },
  ): Promise<RawReply>;
  /** Ends idle connections and those in use. */
  close(): Promise<void>;
}

export function createGuestClient(options: GuestClientOptions): GuestClient {
  const exchange = new Exchange(options);
  const defaults = { timeoutMs: options.timeoutMs ?? GUEST_TIMEOUT_MS };

  const send = async (id: OperationId, outgoing: Outgoing, call: CallOptions = {}) => {
    const reply = await exchange.send(outgoing, { ...defaults, ...call });
    const status = reply.statusCode ?? 0;
    if (status < 200 || status > 299) throw await exchange.refusal(reply, id, call.signal);
    return reply;
  };
  const close = async (): Promise<void> => exchange.close();

  return {
    async call(id, args, call) {
      const reply = await send(id, outgoingOf(id, args as AnyArguments), call);
      const body = await exchange.bytes(reply, call?.signal);
      return (await decoded(id, body)) as CallReply<typeof id>;
    },
    async *logs(query, call) {
      const reply = await send("logs", outgoingOf("logs", { query }), call);
      const { checkReply } = await import("./reply-check.ts");
      for await (const line of linesOf(exchange.chunks(reply, call?.signal))) {
        yield checkReply("logs", parseJson(line));
      }
    },
    exec: (open, call) => openExecSession(exchange, open, { ...defaults, ...call }),
    archiveGet: (path, call) =>
      send("archiveGet", outgoingOf("archiveGet", { query: { path } }), call),
    async archivePut(path, tar, call) {
      const outgoing = { ...outgoingOf("archivePut", { query: { path } }), body: tar };
      // The reply begins when everything is unpacked: only the caller knows how long that may take.
      const reply = await send("archivePut", outgoing, { timeoutMs: 0, ...call });
      return (await decoded(
        "archivePut",
        await exchange.bytes(reply, call?.signal),
      )) as ArchiveReceipt;
    },
    async raw(method, path, body, call) {
      const contentType =
        call?.contentType ?? (body === undefined ? undefined : "application/json");
      const reply = await exchange.send(
        { method, path, ...(body !== undefined && { body }), ...(contentType && { contentType }) },
        { ...defaults, ...call },
      );
      return {
        status: reply.statusCode ?? 0,
        headers: reply.headers,
        body: await exchange.bytes(reply, call?.signal),
      };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface AnyArguments extends RequestArguments {
  readonly body?: unknown;
}

const CONTENT_TYPES = {
  json: "application/json",
  form: "application/x-www-form-urlencoded",
  multipart: "multipart/form-data",
  tar: "application/x-tar",
  bytes: "application/octet-stream",
} as const satisfies Record<NonNullable<Route["consumes"]>, string>;

function outgoingOf(id: OperationId, args: AnyArguments): Outgoing {
  const route: Route = routes[id];
  const { consumes = "json" } = route;
  const outgoing: Outgoing = { method: route.method, path: requestPath(route, args) };
  if (consumes === "json" && args.body === undefined) return outgoing;
  const contentType = CONTENT_TYPES[consumes];
  if (args.body === undefined) return { ...outgoing, contentType };
  const body = consumes === "bytes" ? (args.body as Uint8Array) : JSON.stringify(args.body);
  return { ...outgoing, contentType, body };
}

async function decoded(id: OperationId, body: Buffer): Promise<unknown> {
  const { produces }: Route = routes[id];
  if (produces === "nothing") return undefined;
  if (produces === "bytes") return body;
  if (produces === "text") return body.toString("utf8");
  const { checkReply } = await import("./reply-check.ts");
  return checkReply(id, parseJson(body.toString("utf8")));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw protocolError("it is not JSON", error);
  }
}

/** @throws {HostError} WL_GUEST_PROTOCOL when the stream ends within a line */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") throw protocolError("the stream ends within a line");
}
