/**
 * Families with the names and numbers of pjdfstest (pjd/pjdfstest at 85a8aea, 2026-08-08): assertion n of
 * `symlink/08` asks what number n of its tests/symlink/08.t asks on Linux, so that the two can be compared.
 * The words are ours. Where it marks an answer of Linux as a known fault, Linux's answer is the expected one.
 */
import type { Family, Script } from "../script.ts";

export function family(
  id: string,
  count: number,
  title: string,
  run: (script: Script) => void,
): Family {
  return { id, title, source: `pjdfstest tests/${id}.t`, count, run };
}
