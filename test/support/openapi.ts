/**
 * The OpenAPI 3.1 document of the agent, from the routes table and its schemas. Run as a program it
 * writes `guest/openapi.json`; a test holds the committed file equal to it.
 *
 *     npx tsx test/support/openapi.ts
 */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { TObject } from "typebox";
import { ErrorReply, OsvErrorReply } from "../../guest/api/error-reply.ts";
import { API_VERSION } from "../../guest/api/instance.ts";
import type { OperationSchemas } from "../../guest/api/operation-schemas.ts";
import { type OperationId, type Route, routes } from "../../guest/api/routes.ts";
import { schemas } from "../../guest/api/schemas.ts";

/** Where the document is committed. */
export const OPENAPI_PATH = resolve(import.meta.dirname, "../../guest/openapi.json");

const REQUEST_TYPES = {
  json: "application/json",
  form: "application/x-www-form-urlencoded",
  multipart: "multipart/form-data",
  tar: "application/x-tar",
  bytes: "application/octet-stream",
} as const satisfies Record<NonNullable<Route["consumes"]>, string>;

const REPLY_TYPES = {
  json: "application/json",
  ndjson: "application/x-ndjson",
  tar: "application/x-tar",
  text: "text/plain",
  bytes: "application/octet-stream",
} as const satisfies Record<Exclude<Route["produces"], "nothing">, string>;

/** The document as text, members in a fixed order. */
export function openapiText(): string {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [id, route] of Object.entries(routes) as [OperationId, Route][]) {
    // OpenAPI has no parameter that spans slashes: the rest of a path is described in words.
    const path = route.path.replace("*}", "}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(id, route) };
  }
  const document = {
    openapi: "3.1.0",
    info: {
      title: "Windlass agent",
      description: "Manages the program of one virtual machine, from inside of it.",
      version: String(API_VERSION),
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { ErrorReply, OsvErrorReply },
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function operation(id: OperationId, route: Route): object {
  const { path, query, body, reply } = schemas[id] as OperationSchemas;
  const parameters = [...parametersOf("path", path, route), ...parametersOf("query", query, route)];
  const carriesBody = body !== undefined || route.consumes !== undefined;
  return {
    operationId: id,
    tags: [route.tag],
    summary: route.summary,
    "x-role": route.role,
    ...(parameters.length > 0 && { parameters }),
    ...(carriesBody && {
      requestBody: {
        required: true,
        content: { [REQUEST_TYPES[route.consumes ?? "json"]]: body ? { schema: body } : {} },
      },
    }),
    responses: {
      "200": {
        description: "Done",
        ...(route.produces !== "nothing" && {
          content: { [REPLY_TYPES[route.produces]]: reply ? { schema: reply } : {} },
        }),
      },
      default: {
        description: "Refused",
        content: {
          "application/json": {
            schema: { $ref: `#/components/schemas/${route.osv ? "OsvErrorReply" : "ErrorReply"}` },
          },
        },
      },
    },
  };
}

function parametersOf(where: "path" | "query", schema: TObject | undefined, route: Route) {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name,
    in: where,
    required: schema?.required?.includes(name) ?? false,
    ...(route.path.includes(`{${name}*}`) && { description: "The rest of the path, with slashes" }),
    schema: property,
  }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await writeFile(OPENAPI_PATH, openapiText());
}
