/** A row of the runtime suite: a program is built, servers stand by, the steps are run. */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { MissingRow, PreparedRow, Row, RowRequest } from "../suite.ts";
import { type Certificates, makeCertificates, SERVER_NAME } from "./certificates.ts";
import { openNameServer } from "./name-server.ts";
import { outsideSteps } from "./outside-steps.ts";
import { buildProgram } from "./program-build.ts";
import { programSource } from "./program-sources.ts";
import { runtimeCaseIds } from "./runtime-cases.ts";
import { openTlsServer } from "./tls-server.ts";

/** All cases of one program, on an emulated machine. */
const CASES_TIMEOUT_MS = 240_000;

export const C_PACKAGES = ["gcc", "libc6-dev"] as const;

/** Behind the case list; programs know them. */
const ARGUMENTS = ["", "ü€😀", "a b"] as const;
const VARIABLE = 'Grüße = "世界"';
const INPUT = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7 + 3) & 0xff));

export interface RuntimeProgram {
  /** What it is called with up to its own arguments; `place` is the folder of its files on the target. */
  argv(place: string): readonly string[];
  env?(place: string): Readonly<Record<string, string>>;
}

export interface RuntimeRow {
  readonly id: string;
  readonly title: string;
  /** Puts what the program needs into `files`. */
  build(request: BuildRequest): Promise<RuntimeProgram | MissingRow>;
}

export type BuildRequest = RowRequest & { readonly files: string };

export function programRow(row: RuntimeRow): Row {
  return {
    ...{ id: row.id, title: row.title },
    async prepare(request) {
      const files = join(request.folder, "files");
      await mkdir(files);
      const library = await buildLibrary(files, request);
      if (library) return library;
      const program = await row.build({ ...request, files });
      if ("kind" in program) return program;
      const certificates = await certificatesOf(request, files);
      if ("kind" in certificates) return certificates;
      return await readyRow(request, { files, program, certificates });
    },
  };
}

async function buildLibrary(files: string, { signal }: RowRequest) {
  const source = programSource("library.c");
  const argv = ["gcc", "-shared", "-fPIC", "-O1", "-o", join(files, "library.so"), source];
  const missing = await buildProgram({ argv, folder: files, packages: C_PACKAGES }, { signal });
  // Node takes addons by this name.
  if (!missing) await copyFile(join(files, "library.so"), join(files, "library.node"));
  return missing;
}

async function certificatesOf(
  { folder, signal }: RowRequest,
  files: string,
): Promise<Certificates | MissingRow> {
  try {
    const certificates = await makeCertificates(folder, { signal });
    for (const name of ["ca.pem", "other-ca.pem", "server.pem", "server.key"]) {
      await copyFile(join(folder, name), join(files, name));
    }
    return certificates;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return { kind: "missing", what: "openssl", packages: ["openssl"] };
  }
}

async function readyRow(
  { target }: RowRequest,
  built: { files: string; program: RuntimeProgram; certificates: Certificates },
): Promise<PreparedRow> {
  const { files, program, certificates } = built;
  const nameServer = await openNameServer();
  const tlsServer = await openTlsServer(certificates);
  // One locale and zone for host and guest: the cases are about what programs make of them.
  const fixed = { LC_ALL: "C.UTF-8", TZ: "Asia/Kolkata" };
  const cases = {
    ...{ CASE_ENV: VARIABLE, CASE_HOST: target.hostAddress },
    ...{ CASE_DNS_PORT: String(nameServer.port), CASE_TLS_PORT: String(tlsServer.port) },
    CASE_TLS_NAME: SERVER_NAME,
    ...(target.cpuCount !== undefined && { CASE_CPUS: String(target.cpuCount) }),
  };
  const env = (place: string) => ({ ...program.env?.(place), ...fixed });
  const outside = outsideSteps(program.argv, env);
  const outsideCases = outside.flatMap((step) => step.cases);
  const inside = runtimeCaseIds.filter((id) => !outsideCases.includes(id));
  const argv = (place: string, cases: readonly string[]) => {
    return [...program.argv(place), "cases", cases.join(","), ...ARGUMENTS];
  };
  const main = {
    ...{ cases: inside, argv, stdin: INPUT, timeoutMs: CASES_TIMEOUT_MS },
    env: (place: string) => ({ ...env(place), ...cases }),
  };
  return {
    ...{ kind: "ready", files, steps: [...outside, main] },
    async [Symbol.asyncDispose]() {
      await tlsServer[Symbol.asyncDispose]();
      await nameServer[Symbol.asyncDispose]();
    },
  };
}
