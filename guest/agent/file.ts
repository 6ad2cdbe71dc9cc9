/**
 * /file. Its callers are admins, who may run programs as root: links are followed wherever they lead.
 * What is written whole (COPY, upload) is written beside and renamed, so that nobody ever
 * reads half a file.
 */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, copyFile, lstat, mkdir, open, rename, rm, rmdir, unlink } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Arguments } from "../api/schemas.ts";
import { AgentError, fileError } from "./agent-error.ts";
import { fileStatus, listStatus } from "./file-status.ts";
import { guestPath } from "./guest-path.ts";
import { multipartParts } from "./multipart.ts";
import type { Call, Operations, Payload } from "./operation.ts";

/** OSv's default for what PUT makes. */
const DEFAULT_PERMISSION = "777";

export function fileOperations(): Operations<"file"> {
  return {
    fileGet: async ({ path, query }) => {
      const target = guestPath(path.path);
      try {
        switch (query.op) {
          case "GET":
            return await content(target, query.offset ?? 0, query.length);
          case "GETFILESTATUS":
            return json(await fileStatus(target));
          case "LISTSTATUS":
            return json(await listStatus(target));
        }
      } catch (error) {
        throw fileError(`Cannot read "${target}"`, error);
      }
    },
    fileDelete: async ({ path, query }) => {
      const target = guestPath(path.path);
      try {
        const found = await lstat(target);
        if (!found.isDirectory()) await unlink(target);
        else if (query.recursive) await rm(target, { recursive: true });
        else await rmdir(target);
      } catch (error) {
        throw fileError(`Failed deleting "${target}"`, error);
      }
    },
    fileUpload: async ({ path }, call) => {
      const target = guestPath(path.path);
      try {
        await upload(target, call);
      } catch (error) {
        throw fileError(`Cannot write "${target}"`, error);
      }
    },
    filePut: async ({ path, query }) => {
      const target = guestPath(path.path);
      try {
        await put(target, query);
      } catch (error) {
        throw fileError(`${query.op} of "${target}" failed`, error);
      }
    },
  };
}

async function content(path: string, offset: number, length?: number): Promise<Payload> {
  const file = await open(path, "r");
  try {
    const found = await file.stat();
    if (found.isDirectory()) {
      throw new AgentError("WL_AGENT_BAD_REQUEST", `"${path}" is a folder: use op=LISTSTATUS`);
    }
    if (!found.isFile()) {
      throw new AgentError("WL_AGENT_BAD_REQUEST", `"${path}" is not a file`);
    }
    const contentType = CONTENT_TYPES[extname(path)] ?? "application/octet-stream";
    // Files of /proc and /sys say that they are empty and are not.
    const lengthBytes = Math.min(length ?? Infinity, Math.max(0, found.size - offset));
    if (lengthBytes === 0 && (found.size > 0 || length === 0)) {
      await file.close();
      return { contentType, body: "" };
    }
    const last = found.size > 0 ? { end: offset + lengthBytes - 1 } : {};
    const body = file.createReadStream({ start: offset, ...last });
    return found.size > 0 ? { contentType, body, lengthBytes } : { contentType, body };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function json(value: unknown): Payload {
  return { contentType: "application/json; charset=utf-8", body: JSON.stringify(value) };
}

async function put(target: string, query: Arguments<"filePut">["query"]): Promise<void> {
  const permission = Number.parseInt(query.permission ?? DEFAULT_PERMISSION, 8);
  switch (query.op) {
    case "MKDIRS":
      await mkdir(target, { recursive: true });
      return chmod(target, permission);
    case "RENAME": {
      const destination = requireDestination(query.destination);
      await rename(target, destination);
      return chmod(destination, permission);
    }
    case "COPY": {
      const destination = requireDestination(query.destination);
      return replaceFile(destination, async (beside) => {
        await copyFile(target, beside);
        await chmod(beside, permission);
      });
    }
    case "WRITE": {
      const file = await open(target, query.overwrite ? "w" : "a");
      try {
        await file.writeFile(query.content ?? "");
        await file.chmod(permission);
      } finally {
        await file.close();
      }
    }
  }
}

function requireDestination(destination: string | undefined): string {
  if (!destination) {
    throw new AgentError("WL_AGENT_BAD_REQUEST", "Missing mandatory parameter: destination");
  }
  return guestPath(destination);
}

async function upload(target: string, call: Call): Promise<void> {
  let written = false;
  const contentType = call.request.headers["content-type"];
  for await (const part of multipartParts(call.bodyChunks(), contentType)) {
    if (part.filename === undefined || written) continue;
    await replaceFile(target, (beside) =>
      pipeline(part.body, createWriteStream(beside, { flags: "wx" }), { signal: call.signal }),
    );
    written = true;
  }
  if (!written) throw new AgentError("WL_AGENT_BAD_REQUEST", "The form holds no file");
}

/** Lets `write` make a file beside the target, then renames it over the target. */
async function replaceFile(
  target: string,
  write: (beside: string) => Promise<unknown>,
): Promise<void> {
  const unique = randomBytes(6).toString("hex");
  const beside = join(dirname(target), `.${basename(target).slice(0, 200)}.${unique}`);
  try {
    await write(beside);
    await rename(beside, target);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".gif": "image/gif",
  ".htm": "text/html",
  ".html": "text/html",
  ".jpg": "image/jpeg",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain",
  ".xml": "application/xml",
};
