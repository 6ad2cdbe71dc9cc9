/**
 * Loads the REST server's bundle with V8's code cache, which spares an emulated CPU most of the
 * compilation. A cache that does not fit this Node is not used; V8 checks that itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Script } from "node:vm";
import type { createAgent } from "../agent/agent.ts";

const BUNDLE_PATH = "/usr/lib/windlass/agent.js";

export interface AgentBundle {
  readonly createAgent: typeof createAgent;
}

export function loadAgent(path: string = BUNDLE_PATH): AgentBundle {
  const cachePath = `${path}.cache`;
  const cachedData = existsSync(cachePath) ? readFileSync(cachePath) : undefined;
  const script = new Script(wrapped(readFileSync(path, "latin1")), {
    filename: path,
    ...(cachedData ? { cachedData } : {}),
  });
  const module: { exports: AgentBundle } = { exports: {} as AgentBundle };
  script.runInThisContext()(module.exports, createRequire(path), module);
  return module.exports;
}

/** The bundle as a function of CommonJS's names. */
export function wrapped(source: string): string {
  return `(function (exports, require, module) {${source}\n})`;
}
