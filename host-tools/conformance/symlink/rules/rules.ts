/** Families of rules, S1 to S18, of POSIX and Linux; each says which page or chapter it is from. */
import type { Family, Script } from "../script.ts";

export function rules(facts: Omit<Family, "run">, run: (script: Script) => void): Family {
  return { ...facts, run };
}
