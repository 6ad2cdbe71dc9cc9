/** The configuration of an image that comes from elsewhere: whatever the store and the host rely on is checked. */
import { isUtf8 } from "node:buffer";
import { Type } from "typebox";
import { Check } from "typebox/value";
import { ProgramPort, ProgramSpec } from "../../guest/api/program.ts";
import { scratchDisk } from "../disks/scratch-disk.ts";
import type { ImageConfig } from "../store/image.ts";
import { registryError } from "./registry-error.ts";

/** Of one part: 16 GiB. */
const PART_BYTES_MAX = 16 * 1024 ** 3;
const MEMORY_MAX_MIB = 1024 * 1024;
const VCPUS_MAX = 1024;

const Part = {
  digest: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  sizeBytes: Type.Integer({ minimum: 0, maximum: PART_BYTES_MAX }),
};
const Device = Type.Object({ ...Part, uncompressedBytes: Type.Integer({ minimum: 0 }) });
const ShortText = Type.String({ maxLength: 1000 });

const Config = Type.Object({
  schemaVersion: Type.Literal(1),
  platform: Type.Literal("linux"),
  architecture: Type.Literal("x86_64"),
  windlass: ShortText,
  program: ProgramSpec,
  replaceableArgs: Type.Optional(Type.Integer({ minimum: 0 })),
  exposedPorts: Type.Optional(Type.Array(ProgramPort, { maxItems: 1000 })),
  memoryMib: Type.Integer({ minimum: 1, maximum: MEMORY_MAX_MIB }),
  vcpuCount: Type.Integer({ minimum: 1, maximum: VCPUS_MAX }),
  template: Type.Optional(
    Type.Object({
      auto: Type.Boolean(),
      warmUp: Type.Optional(Type.Union([ShortText, Type.Literal(false)])),
    }),
  ),
  scratch: Type.Optional(Type.Object({ sizeMib: Type.Integer(), path: ShortText })),
  runtime: Type.Object({ name: ShortText, version: ShortText }),
  kernel: Type.Object({ ...Part, release: ShortText, source: ShortText }),
  firstStage: Type.Object(Part),
  base: Device,
  root: Device,
  billOfMaterials: Type.Object(Part),
});

/**
 * @param bytes of the configuration; they must be those that the store would write, because the image's id is
 *   their digest
 * @throws {ImageError} WL_IMAGE_REGISTRY
 */
export function checkedConfig(bytes: Buffer, text: string): ImageConfig {
  const config = parsed(bytes);
  const isSound =
    Check(Config, config) &&
    isUtf8(bytes) &&
    `${JSON.stringify(config, null, 2)}\n` === bytes.toString("utf8") &&
    hasSoundScratch(config as ImageConfig) &&
    hasSoundArgs(config as ImageConfig);
  if (isSound) return config as ImageConfig;
  throw registryError(
    `Cannot use "${text}": its configuration is not one that this Windlass writes`,
    "Use the version of Windlass that pushed it, or build the image again",
  );
}

function hasSoundArgs({ program, replaceableArgs = 0 }: ImageConfig): boolean {
  return replaceableArgs <= program.argv.length;
}

function hasSoundScratch({ scratch }: ImageConfig): boolean {
  try {
    return scratch === undefined || scratchDisk(scratch).path === scratch.path;
  } catch {
    return false;
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
