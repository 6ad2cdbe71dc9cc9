/** The record of an instance that is to be made of an image: pure but for its tokens. */
import { randomBytes } from "node:crypto";
import type { ProgramPort, ProgramSpec } from "../../guest/api/program.ts";
import { scratchDisk } from "../../image-builder/disks/scratch-disk.ts";
import { type Image, type ImageConfig, SHORT_ID_LENGTH } from "../../image-builder/store/image.ts";
import { DEFAULT_HOST_ADDRESS, type PublishRequest } from "../network/publish.ts";
import type { AcceleratorRequest } from "../qemu/accelerator.ts";
import {
  type AddressMode,
  type BootRequest,
  type InstanceRecord,
  macAddressOf,
} from "./instance-record.ts";

export interface CreateOptions {
  /** Name or id of the image. */
  readonly image: string;
  /** Default: one is made up. */
  readonly name?: string | undefined;
  /** Default: the image's. */
  readonly memoryMib?: number | undefined;
  /** Default: the image's. */
  readonly vcpuCount?: number | undefined;
  /** Default "auto". */
  readonly accelerator?: AcceleratorRequest | undefined;
  /** A kernel file in place of the image's. */
  readonly kernelPath?: string | undefined;
  readonly publish?: readonly PublishRequest[] | undefined;
  /** Also every port that the image says its program listens on, each on a free port of the host. */
  readonly publishAll?: boolean | undefined;
  /** Default "static". */
  readonly address?: AddressMode | undefined;
  /** Default: the image's; its path, unless there is one here. */
  readonly scratch?: { readonly sizeMib: number; readonly path?: string | undefined } | undefined;
  /** Default "auto": from a template of the image if there is one that fits. */
  readonly boot?: BootRequest | undefined;
  /** Removed when it has ended. */
  readonly autoRemove?: boolean | undefined;
  /** Over the image's environment. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Appended to the image's command, as Docker does with an ENTRYPOINT; in place of a container's Cmd. */
  readonly args?: readonly string[] | undefined;
  readonly program?: Partial<
    Pick<ProgramSpec, "restart" | "onExit" | "user" | "workdir" | "openStdin">
  >;
}

export function newRecord(
  { id, name }: { readonly id: string; readonly name: string },
  image: Image,
  options: CreateOptions,
): InstanceRecord {
  const { config } = image;
  const program: ProgramSpec = {
    ...config.program,
    ...options.program,
    argv: argvWith(config, options.args ?? []),
    env: { ...config.program.env, ...options.environment },
  };
  const scratch = options.scratch
    ? scratchDisk({ ...options.scratch, path: options.scratch.path ?? config.scratch?.path })
    : config.scratch;
  return {
    schemaVersion: 1,
    id,
    name,
    imageId: image.id,
    imageName: askedName(image, options.image),
    createdAt: new Date().toISOString(),
    macAddress: macAddressOf(id),
    tokens: { admin: newToken(), monitor: newToken() },
    options: {
      memoryMib: options.memoryMib ?? config.memoryMib,
      vcpuCount: options.vcpuCount ?? config.vcpuCount,
      accelerator: options.accelerator ?? "auto",
      ...(options.kernelPath === undefined ? {} : { kernelPath: options.kernelPath }),
      publish: [
        ...(options.publish ?? []),
        ...(options.publishAll ? knownPorts(config, options.publish ?? []) : []),
      ],
      address: options.address ?? "static",
      ...(scratch && { scratch }),
      ...(options.boot === undefined ? {} : { boot: options.boot }),
      autoRemove: options.autoRemove ?? false,
      program,
    },
  };
}

function argvWith(
  { program, replaceableArgs = 0 }: ImageConfig,
  args: readonly string[],
): string[] {
  const { argv } = program;
  return args.length === 0 ? argv : [...argv.slice(0, argv.length - replaceableArgs), ...args];
}

/** What is not published by name already, on free ports. */
function knownPorts(
  { program, exposedPorts = [] }: ImageConfig,
  named: readonly PublishRequest[],
): PublishRequest[] {
  const isOther =
    ({ port, protocol }: ProgramPort) =>
    (one: PublishRequest): boolean =>
      one.guestPort !== port || one.protocol !== protocol;
  const requests: PublishRequest[] = [];
  for (const known of [...program.ports, ...exposedPorts]) {
    if (![...named, ...requests].every(isOther(known))) continue;
    const { port: guestPort, protocol } = known;
    requests.push({
      ...{ protocol, guestPort },
      ...{ hostAddress: DEFAULT_HOST_ADDRESS, hostPort: undefined },
    });
  }
  return requests;
}

/** What the original is, under another identity. */
export function likeRecord(
  { id, name }: { readonly id: string; readonly name: string },
  original: InstanceRecord,
  {
    publish,
    macAddress = macAddressOf(id),
  }: {
    readonly publish: readonly PublishRequest[];
    readonly macAddress?: string | undefined;
  },
): InstanceRecord {
  const { imageId, imageName, options } = original;
  return {
    schemaVersion: 1,
    id,
    name,
    imageId,
    imageName,
    createdAt: new Date().toISOString(),
    macAddress,
    tokens: { admin: newToken(), monitor: newToken() },
    options: { ...options, publish },
  };
}

/** The name that the image was asked for by, of the several it may have; else its first, else its id. */
function askedName({ id, names }: Image, reference: string): string {
  const asked = names.find((name) => name === reference || name === `${reference}:latest`);
  return asked ?? names[0] ?? id.slice(0, SHORT_ID_LENGTH);
}

function newToken(): string {
  return randomBytes(32).toString("base64url");
}
