/**
 * Names and passwords for registries: our own file, in the config folder, and Docker's where ours has none.
 * Both have the same form: `{"auths": {"HOST": {"auth": base64("user:password")}}}`.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { withIoError } from "../runtimes/io-error.ts";
import { lockFile } from "../store/file-lock.ts";
import { configFolder } from "../store/folders.ts";
import { replaceFile } from "../store/replace-file.ts";
import { knownHost } from "./reference.ts";
import { registryError } from "./registry-error.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface FoundCredentials {
  readonly credentials?: Credentials;
  /** Docker keeps the password in a program of this name, which is not asked. */
  readonly helper?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Auths = Record<string, { readonly auth: string }>;

const FILE = "registry-auth.json";
const FILE_BYTES_MAX = 1024 * 1024;

export function credentialsPath(environment: Environment = process.env): string {
  return join(configFolder(environment), FILE);
}

/**
 * @param host as `registryHost` gives it
 * @throws {ImageError} WL_IMAGE_REGISTRY when our own file is damaged; Docker's is passed over then
 */
export async function findCredentials(
  host: string,
  environment: Environment = process.env,
): Promise<FoundCredentials> {
  const own = decoded((await ownAuths(environment))[host]?.auth);
  if (own) return { credentials: own };
  const folder = environment["DOCKER_CONFIG"] ?? join(homedir(), ".docker");
  const text = await readFile(join(folder, "config.json"), "utf8").catch(() => "{}");
  const docker = text.length > FILE_BYTES_MAX ? {} : record(parsed(text));
  for (const [name, entry] of Object.entries(record(docker["auths"]))) {
    const auth = record(entry)["auth"];
    const credentials = hostOf(name) === host ? decoded(auth) : undefined;
    if (credentials) return { credentials };
  }
  const helpers = Object.entries(record(docker["credHelpers"]));
  const helper = helpers.find(([name]) => hostOf(name) === host)?.[1] ?? docker["credsStore"];
  return typeof helper === "string" && helper !== ""
    ? { helper: `docker-credential-${helper}` }
    : {};
}

/** Keeps them in a file that only this user can read. @throws {ImageError} WL_IMAGE_IO */
export async function saveCredentials(
  host: string,
  { user, password }: Credentials,
  environment: Environment = process.env,
): Promise<void> {
  const auth = Buffer.from(`${user}:${password}`, "utf8").toString("base64");
  await changeAuths(environment, (auths) => ({ ...auths, [host]: { auth } }));
}

/** @returns whether there was something to forget */
export async function removeCredentials(
  host: string,
  environment: Environment = process.env,
): Promise<boolean> {
  let found = false;
  await changeAuths(environment, ({ [host]: gone, ...rest }) => {
    found = gone !== undefined;
    return rest;
  });
  return found;
}

async function changeAuths(
  environment: Environment,
  change: (auths: Auths) => Auths,
): Promise<void> {
  const folder = configFolder(environment);
  await withIoError("write", folder, mkdir(folder, { recursive: true, mode: 0o700 }));
  await using _lock = await lockFile(join(folder, "registry-auth.lock"));
  const path = credentialsPath(environment);
  const auths = change(await ownAuths(environment));
  if (Object.keys(auths).length === 0) await withIoError("write", path, rm(path, { force: true }));
  else await replaceFile(path, `${JSON.stringify({ auths }, null, 2)}\n`, 0o600);
}

async function ownAuths(environment: Environment): Promise<Auths> {
  const path = credentialsPath(environment);
  const text = await withIoError(
    "read",
    path,
    readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return '{"auths":{}}';
      throw cause;
    }),
  );
  const auths = text.length > FILE_BYTES_MAX ? undefined : record(parsed(text))["auths"];
  if (typeof auths !== "object" || auths === null) {
    const next = `Remove it and use "windlass login HOST" again`;
    throw registryError(`The file of registry passwords "${path}" is damaged`, next);
  }
  return Object.fromEntries(
    Object.entries(auths).flatMap(([host, entry]) => {
      const auth = record(entry)["auth"];
      return typeof auth === "string" ? [[knownHost(host), { auth }]] : [];
    }),
  );
}

function decoded(auth: unknown): Credentials | undefined {
  if (typeof auth !== "string") return undefined;
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Docker's keys are hosts, or addresses with scheme and path. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return knownHost(host.toLowerCase());
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
