/**
 * Standard output and error of this process, as pipes that end: what a thread of it writes, through Node, an addon
 * or a child, is read as a process's output is. One pair for each run of the program.
 */
import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { type NativeLibrary, systemCallError } from "../syscalls/koffi.ts";

/** open(2): O_CLOEXEC on x86-64. */
const CLOSE_ON_EXEC = 0o2000000;
const STANDARD = { stdout: 1, stderr: 2 } as const;

export interface ProgramOutput {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** To write to. */
  readonly descriptors: { readonly stdout: number; readonly stderr: number };
  /** Nothing is written any more: the streams end when what was written has been read. */
  end(): void;
}

/** @throws {Error} when the kernel refuses */
export type OpenOutput = () => ProgramOutput;

export function standardPipes({ libc, errno }: NativeLibrary): OpenOutput {
  const pipe2 = libc.func("int pipe2(void *ends, int flags)");
  const dup2 = libc.func("int dup2(int from, int to)");
  const become = (from: number, to: number): void => {
    if (dup2(from, to) < 0) throw systemCallError("dup2", errno(), `make it descriptor ${to}`);
  };
  const openAs = (fd: number): Socket => {
    const ends = Buffer.alloc(8);
    if (pipe2(ends, CLOSE_ON_EXEC) < 0) throw systemCallError("pipe2", errno(), "make a pipe");
    const reading = ends.readInt32LE(0);
    const writing = ends.readInt32LE(4);
    become(writing, fd);
    closeSync(writing);
    return new Socket({ fd: reading, readable: true, writable: false });
  };
  return () => ({
    stdout: openAs(STANDARD.stdout),
    stderr: openAs(STANDARD.stderr),
    descriptors: STANDARD,
    end: () => {
      const nowhere = openSync("/dev/null", "w");
      become(nowhere, STANDARD.stdout);
      become(nowhere, STANDARD.stderr);
      closeSync(nowhere);
    },
  });
}
