/** Names for instances that were given none. */
import { randomInt } from "node:crypto";

const ADJECTIVES =
  "able brave calm dry even fast glad high keen lean mild neat open pure quick rare";
/** Parts of a ship's gear, as a windlass is. */
const NOUNS =
  "anchor boom bollard capstan cleat davit fender gaff halyard jib keel mast rudder sheet";

/** @param taken names that are not free */
export function generatedName(taken: ReadonlySet<string>): string {
  const adjectives = ADJECTIVES.split(" ");
  const nouns = NOUNS.split(" ");
  const pick = (words: readonly string[]): string => words[randomInt(words.length)] ?? "";
  const name = `${pick(adjectives)}-${pick(nouns)}`;
  if (!taken.has(name)) return name;
  for (let number = 2; ; number += 1) {
    if (!taken.has(`${name}-${number}`)) return `${name}-${number}`;
  }
}
