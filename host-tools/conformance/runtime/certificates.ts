/** Certificates of one run: an authority, a server's certificate by it, and another authority. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The name that the server's certificate is for; clients ask for it whatever the address is. */
export const SERVER_NAME = "server.conformance.test";

export interface Certificates {
  readonly serverPem: string;
  readonly serverKeyPem: string;
}

/**
 * Writes ca.pem, other-ca.pem, server.pem and server.key (PKCS #8) into a folder.
 *
 * @throws what `openssl` failing, or not being there, throws (ENOENT)
 */
export async function makeCertificates(
  folder: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Certificates> {
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]) => run("openssl", args, { ...(signal && { signal }) });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = async (name: string): Promise<void> => {
    const subject = `/CN=Windlass conformance ${name}`;
    const out = ["-keyout", file(`${name}.key`), "-out", file(`${name}.pem`)];
    await openssl("req", "-x509", ...key, ...out, "-days", "30", "-subj", subject);
  };
  await Promise.all([authority("ca"), authority("other-ca")]);
  const request = ["-keyout", file("server.key"), "-out", file("server.csr")];
  await openssl("req", "-new", ...key, ...request, "-subj", `/CN=${SERVER_NAME}`);
  await writeFile(file("server.ext"), `subjectAltName=DNS:${SERVER_NAME}\n`);
  const by = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"];
  const files = ["-in", file("server.csr"), "-out", file("server.pem"), "-extfile"];
  await openssl("x509", "-req", ...by, ...files, file("server.ext"), "-days", "30");
  return {
    serverPem: await readFile(file("server.pem"), "utf8"),
    serverKeyPem: await readFile(file("server.key"), "utf8"),
  };
}
