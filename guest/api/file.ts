/** /file: the guest's files, with OSv's `op` parameter. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

export const FileStatus = Type.Object(
  {
    accessTime: Type.Integer({ description: "Unix time in seconds" }),
    blockSize: Type.Integer({ description: "Bytes" }),
    group: Type.String({ description: "Name, or number when it has none" }),
    length: Type.Integer({ minimum: 0, description: "Bytes" }),
    modificationTime: Type.Integer({ description: "Unix time in seconds" }),
    owner: Type.String({ description: "Name, or number when it has none" }),
    pathSuffix: Type.String({ description: "Last part of the path" }),
    permission: Type.String({ pattern: "^[0-7]{1,3}$", description: "Octal" }),
    replication: Type.Integer({ description: "Number of hard links" }),
    symlink: Type.Optional(Type.String({ description: "Where it points" })),
    type: Type.Union([Type.Literal("FILE"), Type.Literal("DIRECTORY"), Type.Literal("SYMLINK")]),
  },
  { additionalProperties: false },
);
export type FileStatus = Static<typeof FileStatus>;

const path = Type.Object(
  { path: Type.String({ description: "Absolute path, with or without its leading slash" }) },
  { additionalProperties: false },
);

export const fileSchemas = {
  fileGet: {
    path,
    query: Type.Object(
      {
        op: Type.Union([
          Type.Literal("GET"),
          Type.Literal("LISTSTATUS"),
          Type.Literal("GETFILESTATUS"),
        ]),
        offset: Type.Optional(Type.Integer({ minimum: 0, description: "First byte to send" })),
        length: Type.Optional(Type.Integer({ minimum: 0, description: "Bytes to send at most" })),
      },
      { additionalProperties: false },
    ),
    reply: Type.Union([FileStatus, Type.Array(FileStatus)], {
      description: "GETFILESTATUS: one; LISTSTATUS: array; GET: the file's bytes instead",
    }),
  },
  fileDelete: {
    path,
    query: Type.Object(
      { op: Type.Literal("DELETE"), recursive: Type.Optional(Type.Boolean()) },
      { additionalProperties: false },
    ),
  },
  fileUpload: { path },
  filePut: {
    path,
    query: Type.Object(
      {
        op: Type.Union([
          Type.Literal("MKDIRS"),
          Type.Literal("RENAME"),
          Type.Literal("COPY"),
          Type.Literal("WRITE"),
        ]),
        permission: Type.Optional(
          Type.String({ pattern: "^[0-7]{1,4}$", description: "Octal, 777 when left out" }),
        ),
        destination: Type.Optional(
          Type.String({ description: "Absolute path, for RENAME and COPY" }),
        ),
        createParent: Type.Optional(Type.Boolean({ description: "Ignored, as in OSv" })),
        overwrite: Type.Optional(
          Type.Boolean({ description: "WRITE truncates first; otherwise it appends" }),
        ),
        content: Type.Optional(Type.String({ description: "What WRITE writes" })),
      },
      { additionalProperties: false },
    ),
  },
} satisfies Record<string, OperationSchemas>;
