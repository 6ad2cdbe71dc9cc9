/**
 * The registry of a program's hooks. It lives on globalThis under a registered symbol, so that the
 * preload file and every copy of `windlass/guest` in a process, ES module or CommonJS, bundled or
 * not, agree on one.
 */
import type { Parent } from "../api/parent.ts";
import type { WakeIdentity, WakeRecord } from "../api/wake-record.ts";

/** What an afterClone callback is told. */
export interface CloneContext {
  /**
   * - `clone`: this is another machine than the one beforeTemplate ran in.
   * - `resume`: it is the same one; a template was taken from it and it goes on.
   * - `cancelled`: it is the same one; no template was made, because a hook failed.
   */
  readonly kind: WakeRecord["kind"] | "cancelled";
  /** Who a clone is; null when the machine is the same as before. */
  readonly instance: WakeIdentity | null;
  /** Where a clone comes from; null when the machine is the same as before. */
  readonly parent: Parent | null;
  /** Late-bound arguments of a clone; process.argv stays as it was. */
  readonly args: readonly string[];
}

export type BeforeTemplateCallback = () => unknown;
export type AfterCloneCallback = (context: CloneContext) => unknown;

/** Each list in the order of registration. */
export interface CloneHooks {
  readonly beforeTemplate: { readonly callback: BeforeTemplateCallback }[];
  readonly afterClone: { readonly callback: AfterCloneCallback }[];
}

const KEY = Symbol.for("windlass.clone-hooks");

export function cloneHooks(): CloneHooks {
  const holder = globalThis as { [KEY]?: CloneHooks };
  const present = holder[KEY];
  if (present) return present;
  const hooks: CloneHooks = { beforeTemplate: [], afterClone: [] };
  Object.defineProperty(globalThis, KEY, { value: hooks });
  return hooks;
}
