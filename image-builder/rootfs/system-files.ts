/**
 * The ordinary files that programs of any kind look for: users, services, certificates, locale, time zone. The base
 * has what is the same for every program; an image has what its manifest asks for. A project's own files at the
 * same paths (`include`, a container's root) replace these.
 */
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import type { Manifest } from "../manifest/manifest.ts";
import type { DirectoryEntry, FileEntry, SymlinkEntry, TreeEntry } from "./tree.ts";

/** passwd(5). The user `node` is the one of the container images that people come from. */
export const PASSWD =
  "root:x:0:0:root:/root:/bin/sh\n" +
  "node:x:1000:1000::/home/node:/bin/sh\n" +
  "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
/** group(5) */
export const GROUP = "root:x:0:\ntty:x:5:\nnode:x:1000:\nnogroup:x:65534:\n";
/** nsswitch.conf(5): only what the C library brings itself. */
export const NSSWITCH =
  "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\nnetworks: files\n";

/** A user whose number the manifest names, and who has no name, gets this one. */
const PROGRAM_USER = "app";
/** Where distributions keep the certificates of all authorities in one file: Debian, Fedora, SUSE, others. */
const CERTIFICATES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
/** The first place that Go, curl and GnuTLS look at. */
const GUEST_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** Where OpenSSL looks: Debian's, its own default, Fedora's, Alpine's. */
const CERTIFICATE_LINKS = [
  "/usr/lib/ssl/cert.pem",
  "/usr/local/ssl/cert.pem",
  "/etc/pki/tls/cert.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
];
/** Files of a host that are small and the same on all: services(5), protocols(5), and the zone that needs no rules. */
const SMALL_FILES = [
  "/etc/services",
  "/etc/protocols",
  "/usr/share/zoneinfo/UTC",
  "/usr/share/zoneinfo/Etc/UTC",
];
const SMALL_FILE_MAX_BYTES = 64 << 10;
const CERTIFICATES_MAX_BYTES = 4 << 20;
/** The locale of every program that is not told another one: Unicode, and no language. */
const LOCALE_FOLDERS = ["/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"];
const ZONES = "/usr/share/zoneinfo";
const ZONE_NAME = /^:?([A-Za-z0-9_+-]+(?:\/[A-Za-z0-9_+-]+){0,2})$/;

export interface SystemFiles {
  readonly entries: readonly TreeEntry[];
  /** Things the author should know that are no errors; each one sentence without a full stop. */
  readonly warnings: readonly string[];
}

/** What every base has of this host. A host that lacks one of them makes a base without it. */
export function baseSystemFiles(): TreeEntry[] {
  const certificates = hostCertificates();
  const locale = LOCALE_FOLDERS.find((path) => existsSync(path));
  return [
    ...SMALL_FILES.flatMap((path) => hostFile(path, path, SMALL_FILE_MAX_BYTES)),
    ...(certificates === undefined
      ? []
      : hostFile(certificates, GUEST_CERTIFICATES, CERTIFICATES_MAX_BYTES)),
    ...(certificates === undefined
      ? []
      : CERTIFICATE_LINKS.map((path) => link(path, GUEST_CERTIFICATES))),
    ...(locale === undefined ? [] : localeFiles(locale)),
  ];
}

/** What an image has because of its manifest. */
export function programSystemFiles(
  manifest: Pick<Manifest, "user" | "env" | "runtime">,
): SystemFiles {
  const zone = zoneFiles(manifest.env["TZ"] ?? "");
  const warnings = [...zone.warnings];
  // Node has certificates of its own.
  if (manifest.runtime !== "node" && hostCertificates() === undefined) {
    warnings.push(
      "This host has no CA certificates, so the program cannot check servers by TLS (apt-get install ca-certificates)",
    );
  }
  return { entries: [...userFiles(manifest.user), ...zone.entries], warnings };
}

/** A number that no user has gets a name, a home and, when it has none either, a group. */
function userFiles(user: string): TreeEntry[] {
  const [uid = "", group = "0"] = user.split(":", 2);
  if (!/^[0-9]{1,10}$/.test(uid) || fieldsOf(PASSWD).some(([, , known]) => known === uid))
    return [];
  const named = fieldsOf(GROUP).find(([name]) => name === group)?.[2];
  const gid = named ?? (/^[0-9]{1,10}$/.test(group) ? group : "0");
  const home = `/home/${PROGRAM_USER}`;
  const line = `${PROGRAM_USER}:x:${uid}:${gid}::${home}:/bin/sh\n`;
  const hasGroup = fieldsOf(GROUP).some(([, , known]) => known === gid);
  const owner = { uid: Number(uid), gid: Number(gid) };
  const folder: DirectoryEntry = { kind: "directory", path: home, mode: 0o755, owner };
  return [
    text("/etc/passwd", PASSWD + line),
    ...(hasGroup ? [] : [text("/etc/group", `${GROUP}${PROGRAM_USER}:x:${gid}:\n`)]),
    folder,
  ];
}

/** The one zone, as tzset(3) names it; rules that are written out ("CET-1CEST") need no file. */
function zoneFiles(setting: string): SystemFiles {
  const name = ZONE_NAME.exec(setting)?.[1];
  if (name === undefined) return { entries: [], warnings: [] };
  const path = join(ZONES, name);
  const [entry] = hostFile(path, path, SMALL_FILE_MAX_BYTES);
  if (entry) return { entries: [entry, link("/etc/localtime", path)], warnings: [] };
  const isRule = !name.includes("/");
  const warning = `This host does not know the time zone ${JSON.stringify(name)} of TZ, so the program's is UTC (apt-get install tzdata)`;
  return { entries: [], warnings: isRule ? [] : [warning] };
}

function hostCertificates(): string | undefined {
  return CERTIFICATES.find((path) => hostFile(path, path, CERTIFICATES_MAX_BYTES).length > 0);
}

function localeFiles(folder: string): TreeEntry[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return names.flatMap((name) =>
    hostFile(join(folder, name), posix.join(folder, name), SMALL_FILE_MAX_BYTES * 16),
  );
}

/** A regular file of the host, links followed; nothing when it is not there, or is something else. */
function hostFile(hostPath: string, guestPath: string, maxBytes: number): FileEntry[] {
  const path = realPath(hostPath);
  const facts = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path === undefined || !facts?.isFile() || facts.size > maxBytes) return [];
  const source = { kind: "path", path, sizeBytes: facts.size } as const;
  return [{ kind: "file", path: guestPath, mode: 0o644, source }];
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function fieldsOf(lines: string): string[][] {
  return lines.split("\n").map((line) => line.split(":"));
}

function link(path: string, target: string): SymlinkEntry {
  return { kind: "symlink", path, target };
}

function text(path: string, content: string): FileEntry {
  return {
    kind: "file",
    path,
    mode: 0o644,
    source: { kind: "bytes", bytes: Buffer.from(content) },
  };
}
