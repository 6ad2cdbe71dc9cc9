/** What a noun's file provides: one function for each of its operations. */
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Role } from "../api/instance-document.ts";
import type { OperationId, OperationsOf, Routes, Tag } from "../api/routes.ts";
import type { Arguments, ReplyOf } from "../api/schemas.ts";
import type { AgentOptions } from "./agent.ts";
import { AgentError } from "./agent-error.ts";

/** A body that is not the operation's JSON reply. */
export interface Payload {
  readonly contentType: string;
  readonly body: string | Buffer | Readable;
  /** Of a stream whose length is known. */
  readonly lengthBytes?: number;
}

type Result<Id extends OperationId> = Routes[Id]["produces"] extends "json" ? ReplyOf<Id> : Payload;

export type Operation<Id extends OperationId> = Routes[Id]["produces"] extends "nothing"
  ? (args: Arguments<Id>, call: Call) => Promise<void>
  : (args: Arguments<Id>, call: Call) => Result<Id> | Promise<Result<Id>>;

export type Operations<T extends Tag> = { readonly [Id in OperationsOf<T>]: Operation<Id> };

/**
 * Marks a call as part of a batch, whose replies are collected in memory. A caller who sends it himself
 * only gets less.
 */
export const BATCH_HEADER = "x-windlass-batch";

/** The agent as its operations see it. */
export interface Agent extends AgentOptions {
  readonly app: FastifyInstance;
  /** Aborted when the agent closes: long replies and child processes end. */
  readonly closing: AbortSignal;
}

/** One request under way. */
export class Call {
  readonly request: FastifyRequest;
  readonly role: Role;
  readonly #reply: FastifyReply;
  readonly #closing: AbortSignal;
  #signal: AbortSignal | undefined;

  constructor(request: FastifyRequest, reply: FastifyReply, role: Role, closing: AbortSignal) {
    this.request = request;
    this.role = role;
    this.#reply = reply;
    this.#closing = closing;
  }

  /** Aborted when the caller has gone away or the agent closes. Made when first asked for. */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const gone = new AbortController();
      this.#reply.raw.once("close", () => gone.abort(new Error("the caller went away")));
      this.#signal = AbortSignal.any([gone.signal, this.#closing]);
    }
    return this.#signal;
  }

  /**
   * The body of a request that is taken as it arrives. Leaving off early does not end the connection,
   * so that a refusal still reaches the caller.
   * @throws {AgentError} 400 when the request has no such body
   */
  bodyChunks(): AsyncIterable<Buffer> {
    const { body } = this.request;
    if (!(body instanceof Readable)) {
      throw new AgentError("WL_AGENT_BAD_REQUEST", "The request has no body of the right type");
    }
    return body.iterator({ destroyOnReturn: false });
  }

  /** Closes the connection after the reply and runs the action when nothing is left to do about it. */
  closeConnection(action: () => unknown): void {
    this.#reply.header("connection", "close");
    // Others listen for its end too, and what they do takes another turn.
    this.#reply.raw.socket?.once("close", () => setImmediate(() => setImmediate(action)));
  }

  /** Runs the action once the reply has left, or the caller has. */
  afterReply(action: () => unknown): void {
    this.#reply.raw.once("close", action);
  }
}
