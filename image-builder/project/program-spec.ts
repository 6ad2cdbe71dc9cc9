/** The program's specification for the agent, with Windlass's defaults under the manifest's words. */
import type { ProgramSpec } from "../../guest/api/program.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { NODE_PATH } from "./guest-paths.ts";
import type { Project } from "./project.ts";

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";
/** Every base has it: Unicode, and no language. */
const DEFAULT_LOCALE = "C.UTF-8";

export interface SpecifiedProject extends Pick<Project, "argv"> {
  /** Of a runtime that is not Node. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export function toProgramSpec(manifest: Manifest, project: SpecifiedProject): ProgramSpec {
  const isRoot = /^(0|root)(:|$)/.test(manifest.user);
  const { health, hooks, template } = manifest;
  return {
    argv: [...project.argv],
    env: {
      PATH: DEFAULT_PATH,
      LANG: DEFAULT_LOCALE,
      // Another user's is in the guest's /etc/passwd.
      ...(isRoot && { HOME: "/root" }),
      ...(manifest.runtime === "node" && { NODE_ENV: "production" }),
      ...project.env,
      ...manifest.env,
    },
    workdir: manifest.workdir,
    user: manifest.user,
    ports: manifest.ports.map((port) => ({ ...port })),
    ...(health && {
      health: {
        ...health,
        check:
          health.check.kind === "exec" && health.check.argv[0] === "node"
            ? { kind: "exec", argv: [NODE_PATH, ...health.check.argv.slice(1)] }
            : health.check,
      },
    }),
    ...(hooks && { hooks }),
    ...(template && { lateBound: { env: [...template.env], args: template.args } }),
    restart: { ...manifest.restart },
    onExit: manifest.onExit,
    stopSignal: "SIGTERM",
    isNode: project.argv[0] === NODE_PATH,
    ...(manifest.isolation === "thread" && { isolation: "thread" as const }),
  };
}
