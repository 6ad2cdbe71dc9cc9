/** The schemas of one operation. A missing part is one the operation does not have. */
import type { TObject, TSchema } from "typebox";

export interface OperationSchemas {
  readonly path?: TObject;
  readonly query?: TObject;
  readonly body?: TSchema;
  /** Of a JSON reply, or of one line of an NDJSON reply. */
  readonly reply?: TSchema;
}
