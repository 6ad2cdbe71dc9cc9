/** /api: several calls in one, and the end of the agent. */
import { Readable } from "node:stream";
import { Batch } from "../api/api.ts";
import { AgentError } from "./agent-error.ts";
import { multipartParts } from "./multipart.ts";
import { type Agent, BATCH_HEADER, type Call, type Operations } from "./operation.ts";
import { checked } from "./request-check.ts";

/** Longest batch as JSON text. */
const BATCH_MAX_BYTES = 64 * 1024;
const METHODS = ["GET", "POST", "PUT", "DELETE"] as const;
type Method = (typeof METHODS)[number];

export function apiOperations(agent: Agent): Operations<"api"> {
  return {
    apiBatch: async (_args, call) => {
      const batch = checked("batch", Batch, parseBatch(await batchText(call)));
      const replies: { code: number; body: unknown }[] = [];
      // In order, one after the other: a call may depend on the one before.
      for (const { method, relative_url: url } of batch) {
        replies.push(await oneCall(agent, call, method, url));
      }
      return replies;
    },
    apiStop: (_args, call) => {
      call.afterReply(() => agent.app.close());
      return "";
    },
  };
}

/** Every call is judged by the caller's own token, so a batch allows nothing more. */
async function oneCall(
  agent: Agent,
  call: Call,
  method: string,
  url: string,
): Promise<{ code: number; body: unknown }> {
  const known = METHODS.find((one): one is Method => one === method.toUpperCase());
  if (known === undefined) return { code: 400, body: { message: "Bad method", code: 400 } };
  const reply = await agent.app.inject({
    method: known,
    url,
    headers: {
      authorization: call.request.headers.authorization ?? "",
      [BATCH_HEADER]: "1",
    },
  });
  const isJson = String(reply.headers["content-type"] ?? "").startsWith("application/json");
  return { code: reply.statusCode, body: isJson ? reply.json() : reply.body };
}

async function batchText(call: Call): Promise<string> {
  const { body, headers } = call.request;
  if (body instanceof Readable) {
    for await (const part of multipartParts(call.bodyChunks(), headers["content-type"])) {
      if (part.name === "batch") return textOf(part.body);
    }
  } else if (typeof body === "object" && body !== null && "batch" in body) {
    return String(body.batch);
  }
  throw new AgentError("WL_AGENT_BAD_REQUEST", "Missing mandatory parameter 'batch'");
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > BATCH_MAX_BYTES) {
      throw new AgentError("WL_AGENT_TOO_LARGE", `A batch holds ${BATCH_MAX_BYTES} bytes at most`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** OSv's own parser also takes single quotes, when no value holds a quote of either kind. */
function parseBatch(text: string): Batch {
  for (const candidate of [text, text.replaceAll("'", '"')]) {
    try {
      return JSON.parse(candidate) as Batch;
    } catch {}
  }
  throw new AgentError("WL_AGENT_BAD_REQUEST", "The batch is not JSON");
}
