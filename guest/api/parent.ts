/** Where a clone came from. */
import { type Static, Type } from "typebox";

export const Parent = Type.Object(
  {
    template: Type.String({ description: "Id of the template" }),
    instance: Type.String({ description: "Id of the instance that the template was taken from" }),
  },
  { additionalProperties: false },
);
export type Parent = Static<typeof Parent>;
