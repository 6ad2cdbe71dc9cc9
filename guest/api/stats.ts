/** /v1/stats: counters since boot; a rate is the difference of two replies. */
import { type Static, Type } from "typebox";
import type { OperationSchemas } from "./operation-schemas.ts";

const bytes = Type.Integer({ minimum: 0, description: "Bytes" });
const count = Type.Integer({ minimum: 0 });
const nanoseconds = Type.Integer({ minimum: 0, description: "Nanoseconds" });

export const Stats = Type.Object(
  {
    timeMs: Type.Integer({ description: "Unix time in milliseconds, the guest's clock" }),
    cpu: Type.Object(
      {
        count: Type.Integer({ minimum: 1, description: "vCPUs" }),
        busyNs: nanoseconds,
        idleNs: nanoseconds,
        stealNs: nanoseconds,
        load: Type.Array(Type.Number(), { description: "Over 1, 5 and 15 minutes" }),
      },
      { additionalProperties: false },
    ),
    memory: Type.Object(
      { totalBytes: bytes, availableBytes: bytes, usedBytes: bytes },
      { additionalProperties: false },
    ),
    network: Type.Object(
      { rxBytes: bytes, rxPackets: count, txBytes: bytes, txPackets: count },
      { additionalProperties: false, description: "All interfaces but lo" },
    ),
    block: Type.Object(
      { readBytes: bytes, writtenBytes: bytes },
      { additionalProperties: false, description: "All disks" },
    ),
    pids: Type.Integer({ minimum: 0, description: "Processes; kernel threads do not count" }),
    program: Type.Union(
      [
        Type.Object({ cpuNs: nanoseconds, memoryBytes: bytes }, { additionalProperties: false }),
        Type.Null(),
      ],
      { description: "Its first process; null while it does not run" },
    ),
  },
  { additionalProperties: false },
);
export type Stats = Static<typeof Stats>;

export const statsSchemas = {
  stats: { reply: Stats },
} satisfies Record<string, OperationSchemas>;
