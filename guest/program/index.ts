/**
 * `windlass/guest`, for programs that want to know when their machine becomes a template and when
 * they wake in a clone. Outside a Windlass guest the functions only register.
 */
import {
  type AfterCloneCallback,
  type BeforeTemplateCallback,
  type CloneContext,
  cloneHooks,
} from "./clone-hooks.ts";

export type { AfterCloneCallback, BeforeTemplateCallback, CloneContext };

/**
 * Registers what is to happen before the machine is saved: close connections, flush files. Callbacks
 * run one after the other, in the order of registration; a promise is waited for. One that throws
 * or rejects keeps the template from being made.
 *
 * @returns unregisters it
 */
export function beforeTemplate(callback: BeforeTemplateCallback): () => void {
  return register(cloneHooks().beforeTemplate, callback);
}

/**
 * Registers what is to happen when the program wakes: open connections anew, read the identity. Runs
 * before the program sees any event: up to its first `await` nothing else happens; from there on
 * the program goes on beside it. Also called when the same machine goes on (see CloneContext.kind).
 *
 * @returns unregisters it
 */
export function afterClone(callback: AfterCloneCallback): () => void {
  return register(cloneHooks().afterClone, callback);
}

function register<Callback>(list: { readonly callback: Callback }[], callback: Callback) {
  if (typeof callback !== "function") throw new TypeError("the callback must be a function");
  const entry = { callback };
  list.push(entry);
  return (): void => {
    const index = list.indexOf(entry);
    if (index >= 0) list.splice(index, 1);
  };
}
