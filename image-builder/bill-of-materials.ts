/**
 * The bill of materials of an image: CycloneDX 1.6 JSON. Without a time stamp and with a serial number
 * made from the content, so that the same image has the same one.
 */
import { createHash } from "node:crypto";
import type { Kernel } from "./kernels/kernel-store.ts";
import type { Manifest } from "./manifest/manifest.ts";
import type { Dependency } from "./project/dependencies.ts";
import type { Project } from "./project/project.ts";
import type { TreeEntry } from "./rootfs/tree.ts";
import type { NodeRuntime } from "./runtimes/node-runtime.ts";
import { WINDLASS_VERSION } from "./version.ts";

export interface MaterialSources {
  readonly manifest: Pick<Manifest, "name">;
  readonly project: Pick<Project, "dependencies">;
  readonly runtime: NodeRuntime;
  readonly runtimeEntries: readonly TreeEntry[];
  readonly kernel: Kernel;
}

/** CycloneDX takes SPDX expressions; anything else that a package may say is a name. */
type License = { readonly expression: string } | { readonly license: { readonly name: string } };

/** A component, as the CycloneDX schema has it. */
interface Component {
  readonly type: "application" | "library" | "operating-system" | "file";
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly licenses?: readonly License[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

/** @returns a CycloneDX document, components in a fixed order */
export function billOfMaterials(sources: MaterialSources): object {
  const { manifest, project, runtime, runtimeEntries, kernel } = sources;
  const libraries = runtimeEntries
    .map(({ path }) => path)
    .filter((path) => /\/(lib[^/]*|ld-linux[^/]*)\.so[^/]*$/.test(path))
    .sort();
  const components: Component[] = [
    {
      type: "operating-system",
      name: "linux",
      version: kernel.release,
      hashes: [{ alg: "SHA-256", content: kernel.digest }],
      properties: [{ name: "windlass:source", value: kernel.source }],
    },
    {
      type: "application",
      name: "node",
      version: runtime.version,
      purl: `pkg:generic/node@${runtime.version}`,
      hashes: [{ alg: "SHA-256", content: runtime.digest }],
    },
    { type: "application", name: "windlass-agent", version: WINDLASS_VERSION },
    ...libraries.map((path): Component => ({ type: "file", name: path })),
    ...project.dependencies.map(packageComponent),
  ];
  const body = {
    metadata: {
      component: { type: "application", name: manifest.name },
      tools: { components: [{ type: "application", name: "windlass", version: WINDLASS_VERSION }] },
    },
    components,
  };
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${contentUuid(JSON.stringify(body))}`,
    version: 1,
    ...body,
  };
}

function packageComponent(dependency: Dependency): Component {
  const { name, version, path, integrity, license } = dependency;
  const hash = integrityHash(integrity);
  return {
    type: "library",
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${encodeURIComponent(version)}`,
    ...(license === undefined ? {} : { licenses: [licenseOf(license)] }),
    ...(hash ? { hashes: [hash] } : {}),
    properties: [{ name: "windlass:path", value: path }],
  };
}

/** SPDX specification 2.3, annex D: ids, joined by AND, OR and WITH, perhaps in parentheses. */
const SPDX_EXPRESSION = /^\(*[\w.+:-]+\)*(?: (?:AND|OR|WITH) \(*[\w.+:-]+\)*)*$/;

/** npm's word for "no licence"; it is no SPDX id. */
const UNLICENSED = "UNLICENSED";

function licenseOf(text: string): License {
  const isExpression = SPDX_EXPRESSION.test(text) && text !== UNLICENSED;
  return isExpression ? { expression: text } : { license: { name: text } };
}

/** "sha512-BASE64" as CycloneDX writes it. */
function integrityHash(integrity = ""): { alg: string; content: string } | undefined {
  const match = /^sha(256|384|512)-([A-Za-z0-9+/=]+)/.exec(integrity);
  if (!match?.[1] || !match[2]) return undefined;
  return { alg: `SHA-${match[1]}`, content: Buffer.from(match[2], "base64").toString("hex") };
}

/** A UUID of version 8 (RFC 9562, 5.8: custom) from a digest. */
function contentUuid(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...parts, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}
