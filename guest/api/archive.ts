/** /v1/archive: files and folders as tar streams. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

const path = Type.String({ pattern: "^/[^\\u0000]*$", description: "Absolute path in the guest" });
const query = Type.Object({ path }, { additionalProperties: false });

export const ArchiveReceipt = Type.Object(
  {
    entries: Type.Integer({ minimum: 0, description: "Files, folders and links unpacked" }),
    sizeBytes: Type.Integer({ minimum: 0, description: "Of the files' contents" }),
  },
  { additionalProperties: false },
);
export type ArchiveReceipt = Static<typeof ArchiveReceipt>;

export const archiveSchemas = {
  archiveGet: { query },
  archivePut: { query, reply: ArchiveReceipt },
} satisfies Record<string, OperationSchemas>;
