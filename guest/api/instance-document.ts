/**
 * What the host tells a guest about itself: one JSON document, handed over through QEMU's fw_cfg
 * (`INSTANCE_DOCUMENT_FW_CFG`), never through the kernel command line. Holds no token in the clear.
 */
import { type Static, Type } from "typebox";
import { ProgramSpec } from "./program.ts";

export const Role = Type.Union([Type.Literal("monitor"), Type.Literal("admin")]);
export type Role = Static<typeof Role>;

export const GuestNetwork = Type.Union([
  Type.Object({ mode: Type.Literal("none") }, { additionalProperties: false }),
  Type.Object({ mode: Type.Literal("dhcp") }, { additionalProperties: false }),
  Type.Object(
    {
      mode: Type.Literal("static"),
      address: Type.String({ description: "IPv4 address with prefix length, 10.0.2.15/24" }),
      gateway: Type.String(),
      nameservers: Type.Array(Type.String()),
    },
    { additionalProperties: false },
  ),
]);
export type GuestNetwork = Static<typeof GuestNetwork>;

export const InstanceDocument = Type.Object(
  {
    version: Type.Literal(1),
    id: Type.String({ pattern: "^[0-9a-f]{12}$" }),
    name: Type.String(),
    hostname: Type.String({ pattern: "^[A-Za-z0-9]([A-Za-z0-9-]{0,62})$" }),
    tokens: Type.Array(
      Type.Object(
        {
          role: Role,
          sha256: Type.String({ pattern: "^[0-9a-f]{64}$", description: "Of the bearer token" }),
        },
        { additionalProperties: false },
      ),
    ),
    network: GuestNetwork,
    program: ProgramSpec,
    scratch: Type.Optional(
      Type.Object(
        { path: Type.String({ pattern: "^/", description: "Where the third disk is mounted" }) },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type InstanceDocument = Static<typeof InstanceDocument>;
