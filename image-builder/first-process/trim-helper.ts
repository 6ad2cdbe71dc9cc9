/**
 * `/sbin/windlass-trim`: fills free memory with zeros, for which the host needs to keep nothing when it saves the
 * machine. It takes memory, which the kernel clears, until little is left, and ends.
 *
 * Should somebody need that memory meanwhile, the kernel ends this helper first (proc(5), oom_score_adj).
 */
import { Assembler } from "./assembler.ts";
import { MAP_FLAG, OPEN_FLAG, PROTECTION, SYSTEM_CALL } from "./linux-call.ts";

const PIECE_BYTES = 4 * 1024 * 1024;
/** Filling it takes five milliseconds for each MiB under emulation: a large machine keeps the rest. */
const FILLED_BYTES_MAX = 256 * 1024 * 1024;
/** With less the kernel would begin to take memory from others. */
const LEFT_BYTES = 16 * 1024 * 1024;

/** include/uapi/linux/sysinfo.h: `freeram`, 64 bits, in bytes on 64-bit machines; the size of it all. */
const FREE_OFFSET = 40;
const SYSINFO_BYTES = 112;

/** The highest there is. */
const FIRST_TO_END = "1000";

export interface TrimHelperOptions {
  /** Default: FILLED_BYTES_MAX. A multiple of 4 MiB. */
  readonly filledBytesMax?: number | undefined;
}

/** Emits the executable. Exit status 0. */
export function trimHelperExecutable({ filledBytesMax }: TrimHelperOptions = {}): Uint8Array {
  const program = new Assembler();
  const information = program.bytes(new Uint8Array(SYSINFO_BYTES));
  const score = program.string(FIRST_TO_END);
  const path = program.string("/proc/self/oom_score_adj");
  program.systemCall(SYSTEM_CALL.open, path, OPEN_FLAG.writeOnly);
  program.save("rbx");
  program.systemCall(SYSTEM_CALL.write, { register: "rbx" }, score, FIRST_TO_END.length);
  program.jumpIf("negative", "done"); // It must not cost others their lives.
  program.set("rbx", information);
  program.set("r12", (filledBytesMax ?? FILLED_BYTES_MAX) / PIECE_BYTES);
  program.label("next");
  program.systemCall(SYSTEM_CALL.sysinfo, information);
  program.loadWord("rbx", FREE_OFFSET);
  program.save("r13");
  program.subtract("r13", LEFT_BYTES + PIECE_BYTES);
  program.jumpIf("negative", "done");
  program.systemCall(
    SYSTEM_CALL.mmap,
    0,
    PIECE_BYTES,
    PROTECTION.read | PROTECTION.write,
    MAP_FLAG.private | MAP_FLAG.anonymous | MAP_FLAG.populate,
    -1,
    0,
  );
  program.jumpIf("negative", "done");
  program.subtract("r12", 1);
  program.save("r12");
  program.jumpIf("not-zero", "next");
  program.label("done");
  program.systemCall(SYSTEM_CALL.exit, 0);
  return program.assemble();
}
