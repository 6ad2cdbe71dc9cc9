/** Which files a program opened to read and which programs it started, from what strace(1) wrote. */
import { join } from "node:path/posix";

const OPEN =
  /^(?:open|openat|openat2)\((?:(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, )?"((?:[^"\\]|\\.)*)", (.*)\) = \d+</;
const EXECUTE = /^execve\("((?:[^"\\]|\\.)*)", .*\) = 0$/;
const IS_WRITE = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_DIRECTORY|O_PATH/;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12 };

/**
 * @param text of one process (strace -ff -y); lines that are something else are passed over
 * @param folder working folder of the run, for programs that are named by a relative path
 * @returns absolute paths as the program named them, links not followed, each once
 */
export function tracedPaths(text: string, folder: string): string[] {
  const paths = new Set<string>();
  for (const line of text.split("\n")) {
    const [, from, opened, flags = ""] = OPEN.exec(line) ?? [];
    if (opened !== undefined) {
      if (!IS_WRITE.test(flags)) paths.add(absolute(unescaped(from ?? folder), unescaped(opened)));
      continue;
    }
    const program = EXECUTE.exec(line)?.[1];
    if (program !== undefined) paths.add(absolute(folder, unescaped(program)));
  }
  return [...paths];
}

function absolute(folder: string, path: string): string {
  return path.startsWith("/") ? join(path) : join(folder, path);
}

/** strace writes bytes that are not printable as in C: "\n", "\303\244". */
function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes: number[] = [];
  for (const [part, octal, char] of text.matchAll(/\\([0-7]{1,3})|\\(.)|[^\\]+/g)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 255);
    else if (char !== undefined) bytes.push(ESCAPES[char] ?? char.charCodeAt(0));
    else bytes.push(...Buffer.from(part));
  }
  return Buffer.from(bytes).toString("utf8");
}
