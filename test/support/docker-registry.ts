/** Debian's `docker-registry` on a free port of loopback, with a folder of its own; ended by its process id. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";

const PROGRAM = "/usr/bin/docker-registry";
/** The user "tester" with the password "not a secret", as htpasswd -B writes it. */
const HTPASSWD = "tester:$2b$05$abcdefghijklmnopqrstuuiitcSTbmWtinjxTMhPy6Z4ocreVFuRu\n";
export const TEST_USER = { user: "tester", password: "not a secret" };

export interface DockerRegistry extends AsyncDisposable {
  /** "127.0.0.1:34567" */
  readonly host: string;
  readonly folder: TemporaryFolder;
}

/** Why there is no registry here; undefined when there is one. */
export async function dockerRegistryMissing(): Promise<string | undefined> {
  try {
    await access(PROGRAM);
    return undefined;
  } catch {
    return "docker-registry is not installed: apt-get install docker-registry";
  }
}

export async function dockerRegistry({
  hasPasswords = false,
  signal,
}: {
  readonly hasPasswords?: boolean;
  readonly signal: AbortSignal;
}): Promise<DockerRegistry> {
  const folder = await temporaryFolder();
  const host = `127.0.0.1:${await freePort()}`;
  await writeFile(folder.file("htpasswd"), HTPASSWD);
  await writeFile(folder.file("config.yml"), configuration(folder, host, hasPasswords));
  const child = spawn(PROGRAM, ["serve", folder.file("config.yml")], {
    stdio: "ignore",
    env: { PATH: process.env["PATH"], OTEL_TRACES_EXPORTER: "none" },
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    await folder[Symbol.asyncDispose]();
  };
  try {
    await untilItAnswers(host, child, signal);
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, folder, [Symbol.asyncDispose]: stop };
}

function configuration(folder: TemporaryFolder, host: string, hasPasswords: boolean): string {
  const auth = { htpasswd: { realm: "test", path: folder.file("htpasswd") } };
  return JSON.stringify({
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: folder.file("data") },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: host, secret: "of a test" },
    ...(hasPasswords && { auth }),
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Any answer will do, 401 too. */
async function untilItAnswers(
  host: string,
  child: ChildProcess,
  signal: AbortSignal,
): Promise<void> {
  while (!(await answers(host))) {
    signal.throwIfAborted();
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function answers(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(`http://${host}/v2/`, (reply) => {
      reply.resume();
      resolve(true);
    });
    asked.on("error", () => resolve(false));
    asked.end();
  });
}
