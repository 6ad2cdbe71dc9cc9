/** /fs: use of the mounted file systems. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

export const FileSystemUse = Type.Object(
  {
    filesystem: Type.String({ description: "What is mounted: a device or a type" }),
    mount: Type.String({ description: "Where it is mounted" }),
    btotal: Type.Integer({ minimum: 0, description: "Blocks" }),
    bfree: Type.Integer({ minimum: 0, description: "Free blocks" }),
    ftotal: Type.Integer({ minimum: 0, description: "Inodes" }),
    ffree: Type.Integer({ minimum: 0, description: "Free inodes" }),
    blocksize: Type.Integer({ minimum: 0, description: "Bytes in a block" }),
  },
  { additionalProperties: false },
);
export type FileSystemUse = Static<typeof FileSystemUse>;

export const fsSchemas = {
  fsDf: { reply: Type.Array(FileSystemUse) },
  fsDfMount: {
    path: Type.Object({ mount: Type.String() }, { additionalProperties: false }),
    reply: Type.Array(FileSystemUse),
  },
} satisfies Record<string, OperationSchemas>;
