/** What a container runs, looked up in its own root: as Docker does it when it starts one. */
import { posix } from "node:path";
import type { ProgramSpec } from "../../guest/api/program.ts";
import { ImageError } from "../errors.ts";
import type { ErofsReader } from "../filesystems/erofs-reader.ts";
import { quoted } from "../foreign-text.ts";
import type { ContainerConfig } from "./container-config.ts";
import { containerError } from "./container-error.ts";

/** Docker's. */
export const CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DATABASE_BYTES_MAX = 1024 * 1024;
const LINKS_FOLLOWED_MAX = 40;

/**
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when there is no program, or its user is unknown
 */
export async function containerProgram(
  config: ContainerConfig,
  root: ErofsReader,
): Promise<ProgramSpec> {
  const [command, ...args] = [...config.entrypoint, ...config.cmd];
  if (command === undefined || command === "") {
    throw containerError("The image says no program: it has neither Entrypoint nor Cmd", {
      next: "Use an image that starts something",
    });
  }
  const env = { PATH: CONTAINER_PATH, ...config.env };
  const { user, home } = await findUser(root, config.user);
  return {
    argv: [await findProgram(root, command, { path: env.PATH, workdir: config.workdir }), ...args],
    env: { HOME: home, ...env },
    workdir: config.workdir,
    user,
    // An exposed port is a word to the reader: nothing says that the program listens on it.
    ports: [],
    ...(config.health && { health: config.health }),
    restart: { policy: "no", maxRetries: 0 },
    onExit: "poweroff",
    stopSignal: config.stopSignal,
    isNode: false,
  };
}

async function findProgram(
  root: ErofsReader,
  command: string,
  { path, workdir }: { path: string; workdir: string },
): Promise<string> {
  const candidates = command.includes("/")
    ? [posix.resolve(workdir, command)]
    : path.split(":").map((folder) => posix.resolve(workdir, folder || ".", command));
  for (const candidate of candidates) if (await isExecutable(root, candidate)) return candidate;
  throw containerError(`The image starts ${quoted(command)}, which is no executable in it`);
}

async function isExecutable(root: ErofsReader, path: string): Promise<boolean> {
  let here = path;
  for (let followed = 0; followed < LINKS_FOLLOWED_MAX; followed += 1) {
    const facts = await root.stat(here).catch(missing);
    if (facts?.kind === "file") return (facts.mode & 0o111) !== 0;
    if (facts?.kind !== "symlink") return false;
    here = posix.resolve(posix.dirname(here), await root.readlink(here));
  }
  return false;
}

/** For the guest, which looks a user's groups up unless one is named; and the home that Docker would set. */
async function findUser(
  root: ErofsReader,
  text: string,
): Promise<{ readonly user: string; readonly home: string }> {
  const [name = "", group] = (text === "" ? "0" : text).split(":", 2);
  const users = await database(root, "/etc/passwd");
  const entry = users.find((one) => one[0] === name) ?? users.find((one) => one[2] === name);
  if (!entry && !isId(name))
    throw containerError(`The image's user ${quoted(name)} is unknown in it`);
  const uid = entry?.[2] ?? name;
  const home = entry?.[5] || "/";
  if (group === undefined || group === "") {
    const isRoot = Number(uid) === 0 && Number(entry?.[3] ?? 0) === 0;
    return { user: isRoot ? "root" : name, home };
  }
  const groups = await database(root, "/etc/group");
  const gid = groups.find((one) => one[0] === group)?.[2] ?? group;
  if (!isId(gid)) throw containerError(`The image's group ${quoted(group)} is unknown in it`);
  return { user: Number(uid) === 0 && Number(gid) === 0 ? "root" : `${uid}:${gid}`, home };
}

/** Lines of passwd(5) or group(5) that have numbers where these should be. */
async function database(root: ErofsReader, path: string): Promise<string[][]> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const piece of root.readFile(path)) {
      pieces.push(piece);
      sizeBytes += piece.length;
      if (sizeBytes > DATABASE_BYTES_MAX) break;
    }
  } catch (error) {
    missing(error);
  }
  const lines = Buffer.concat(pieces).toString("utf8").split("\n");
  const isGroup = path === "/etc/group";
  return lines
    .map((line) => line.split(":"))
    .filter((fields) => isId(fields[2] ?? "") && (isGroup || isId(fields[3] ?? "")));
}

function isId(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) <= 0xfffffffe;
}

/** A path that is not there is an answer. */
function missing(error: unknown): undefined {
  if (error instanceof ImageError) return undefined;
  throw error;
}
