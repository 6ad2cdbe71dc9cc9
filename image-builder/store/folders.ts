/**
 * Where Windlass keeps things: the XDG base directories (specification 0.8), or one folder for all
 * when WINDLASS_HOME is set.
 */
import { homedir, tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

export interface Folders {
  /** Images, kernels, instances: what must not be lost. */
  readonly data: string;
  /** What can be made again. */
  readonly cache: string;
  /** Sockets; short, because a Unix socket's path has at most 107 bytes. */
  readonly runtime: string;
}

/** @param environment usually process.env; a relative value is ignored, as the specification asks */
export function windlassFolders(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Folders {
  const folder = (name: string): string | undefined => {
    const value = environment[name];
    return value !== undefined && isAbsolute(value) ? value : undefined;
  };
  const home = folder("WINDLASS_HOME");
  const runtimeBase = folder("XDG_RUNTIME_DIR");
  const runtime = runtimeBase
    ? join(runtimeBase, "windlass")
    : join(tmpdir(), `windlass-${userInfo().uid}`);
  if (home !== undefined) return { data: join(home, "data"), cache: join(home, "cache"), runtime };
  return {
    data: join(folder("XDG_DATA_HOME") ?? join(homedir(), ".local/share"), "windlass"),
    cache: join(folder("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "windlass"),
    runtime,
  };
}

/** Where what the user set is kept: names and passwords of registries. */
export function configFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const folder = (name: string): string | undefined => {
    const value = environment[name];
    return value !== undefined && isAbsolute(value) ? value : undefined;
  };
  const home = folder("WINDLASS_HOME");
  if (home !== undefined) return join(home, "config");
  return join(folder("XDG_CONFIG_HOME") ?? join(homedir(), ".config"), "windlass");
}
