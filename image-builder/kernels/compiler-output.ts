/** What the kernel's makefiles print (scripts/Kbuild.include, "quiet"): one line a step. Pure. */

/** "  CC      kernel/fork.o": what makes one object file; C, assembler and the linker of a folder. */
const OBJECT = /^ {2}(?:CC|AS|AR|LD) {2,}(?:\[M\] +)?\S+\.(?:o|a)$/;

export function isObjectLine(line: string): boolean {
  return OBJECT.test(line);
}

/** Words of a full disk, as libc gives them to whatever program met it (errno ENOSPC, EDQUOT). */
const DISK_FULL = /No space left on device|Disk quota exceeded/;

/** The compiler's, the linker's and make's complaints; make's own follow from the others. */
const COMPLAINTS = [/\b(?:fatal )?error:/i, /\bundefined reference\b|^ld: /, /^make.*\*\*\*/];

export interface BuildFailure {
  readonly isDiskFull: boolean;
  /** The line that says most, or the last one. */
  readonly reason: string;
}

/** @param lines the end of what a failed build printed */
export function buildFailure(lines: readonly string[]): BuildFailure {
  const full = lines.find((line) => DISK_FULL.test(line));
  if (full !== undefined) return { isDiskFull: true, reason: full.trim() };
  const complaint = COMPLAINTS.map((words) => lines.find((line) => words.test(line)));
  const last = lines.findLast((line) => line.trim() !== "");
  const reason = complaint.find((line) => line !== undefined) ?? last ?? "it printed nothing";
  return { isDiskFull: false, reason: reason.trim() };
}
