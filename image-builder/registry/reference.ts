/**
 * Names of images in registries: `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`, the grammar of the OCI distribution
 * specification 1.1 ("Pulling manifests") and of Docker. There is no default host: what names none is an
 * image of this machine.
 */
import { registryError } from "./registry-error.ts";

export interface RegistryReference {
  /** "registry.example:5000" */
  readonly host: string;
  /** "team/shop" */
  readonly repository: string;
  /** "latest" when neither tag nor digest was written; undefined beside a digest alone. */
  readonly tag?: string;
  /** "sha256:HEX" */
  readonly digest?: string;
}

const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:.]+\\])(?::([0-9]{1,5}))?$`);
const REPOSITORY =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Docker's limit for host and name together. */
const NAME_LENGTH_MAX = 255;
const FORM = "Write HOST[:PORT]/NAME[:TAG], in lowercase, or HOST[:PORT]/NAME@sha256:DIGEST";

/** Docker Hub answers to several names and serves images under the last; its own images are in "library". */
const DOCKER_HUB = "docker.io";
const DOCKER_HUB_API = "registry-1.docker.io";
const DOCKER_HUB_NAMES = [DOCKER_HUB, "index.docker.io", DOCKER_HUB_API];

/** The one name of a registry that has several, for messages and passwords. @param host in lowercase */
export function knownHost(host: string): string {
  return DOCKER_HUB_NAMES.includes(host) ? DOCKER_HUB : host;
}

/** Where a registry is spoken to. @param host as `registryHost` gives it */
export function apiHost(host: string): string {
  return host === DOCKER_HUB ? DOCKER_HUB_API : host;
}

/**
 * Whether the words name a registry: what stands before the first "/" has a dot or a port, or is "localhost".
 * That is Docker's rule.
 */
export function namesRegistry(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 1) return false;
  const first = text.slice(0, slash);
  return /[.:]/.test(first) || first === "localhost";
}

/** @throws {ImageError} WL_IMAGE_REGISTRY that says what is wrong */
export function registryReference(text: string): RegistryReference {
  if (!namesRegistry(text)) {
    const message = `"${text}" names no registry: there is no default one`;
    throw registryError(message, FORM);
  }
  const slash = text.indexOf("/");
  const host = registryHost(text.slice(0, slash));
  const [named = "", digest, ...more] = text.slice(slash + 1).split("@");
  const colon = named.lastIndexOf(":");
  const name = colon < 0 ? named : named.slice(0, colon);
  const repository = host === DOCKER_HUB && !name.includes("/") ? `library/${name}` : name;
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  const isSound =
    REPOSITORY.test(name) &&
    text.length - (digest?.length ?? 0) <= NAME_LENGTH_MAX &&
    (tag === undefined || TAG.test(tag)) &&
    (digest === undefined || DIGEST.test(digest)) &&
    more.length === 0;
  if (!isSound) throw registryError(`"${text}" is no name of an image in a registry`, FORM);
  if (digest !== undefined) return { host, repository, digest, ...(tag !== undefined && { tag }) };
  return { host, repository, tag: tag ?? "latest" };
}

/**
 * @returns the host, perhaps with a port, in lowercase; Docker Hub by one of its names
 * @throws {ImageError} WL_IMAGE_REGISTRY
 */
export function registryHost(text: string): string {
  const port = HOST.exec(text)?.[1];
  const isSound = HOST.test(text) && (port === undefined || (+port > 0 && +port < 65_536));
  if (!isSound || !URL.canParse(`https://${text}`)) {
    const next = "Write the host's name, perhaps with a port: registry.example:5000";
    throw registryError(`"${text}" is no host of a registry`, next);
  }
  return knownHost(text.toLowerCase());
}

/** As it was written, completed. */
export function referenceText({ host, repository, tag, digest }: RegistryReference): string {
  const tagged = tag === undefined ? "" : `:${tag}`;
  return `${host}/${repository}${tagged}${digest === undefined ? "" : `@${digest}`}`;
}

/** What a manifest is asked for by. */
export function manifestName({ tag, digest }: RegistryReference): string {
  return digest ?? tag ?? "latest";
}

/** Names that never leave this machine. */
export function isLoopback(host: string): boolean {
  const { hostname } = new URL(`http://${host}`);
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}
