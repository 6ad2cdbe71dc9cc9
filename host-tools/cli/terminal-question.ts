/** Asks for a line on the terminal, for a password without showing it. */

import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/** @param question written to standard error, so that standard output stays a result */
export async function askLine(
  question: string,
  { isHidden, signal }: { readonly isHidden: boolean; readonly signal: AbortSignal },
): Promise<string> {
  // readline echoes what is typed to its output: for a password that is nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({
    ...{ input: process.stdin, output: isHidden ? nowhere : process.stderr, terminal: true },
    historySize: 0,
  });
  // In a terminal of readline's, Ctrl-C is a key.
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    if (isHidden) process.stderr.write(question);
    return await lines.question(isHidden ? "" : question, { signal });
  } finally {
    lines.close();
    if (isHidden) process.stderr.write("\n");
  }
}
