/** Checks replies against the contract; loaded, with the schemas, when the first reply comes. */
import { Check, Errors } from "typebox/value";
import type { OperationSchemas } from "../../guest/api/operation-schemas.ts";
import type { OperationId } from "../../guest/api/routes.ts";
import { type ReplyOf, schemas } from "../../guest/api/schemas.ts";
import { protocolError } from "./exchange.ts";

/** @throws {HostError} WL_GUEST_PROTOCOL that says where the reply departs from the contract */
export function checkReply<Id extends OperationId>(id: Id, value: unknown): ReplyOf<Id> {
  const { reply } = schemas[id] as OperationSchemas;
  if (reply !== undefined && !Check(reply, value)) {
    const error = Errors(reply, value)[0];
    throw protocolError(`${id}${error?.instancePath ?? ""} ${error?.message ?? "is not valid"}`);
  }
  return value as ReplyOf<Id>;
}
