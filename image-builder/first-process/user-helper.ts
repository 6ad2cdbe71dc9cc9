/**
 * `/sbin/windlass-user PROGRAM ARGV...`: becomes a user with all of its groups, which Node's `spawn` does not know (it
 * gives a user its primary group alone), and then the program. PROGRAM is a path, ARGV all of its arguments with the
 * one that names it; folder, environment and descriptors are passed on, but for number 3, which has the credentials
 * (guest/api/credentials.ts).
 */
import { CREDENTIALS_LAYOUT } from "../../guest/api/credentials.ts";
import { Assembler } from "./assembler.ts";
import { SYSTEM_CALL } from "./linux-call.ts";

/** Where the stack holds argc, argv and (behind argv's null) envp at entry: psABI, figure 3.9. */
const ARGV_OFFSET = 8;
const POINTER_BYTES = 8;
const STANDARD_ERROR = 2;
const CREDENTIALS = 3;
const COMPLAINT = "windlass: cannot become the program's user\n";
const NOT_STARTED = "windlass: the program cannot be started\n";

/** Emits the executable. Exit status 127 when the program cannot be started, as a shell has it. */
export function userHelperExecutable(): Uint8Array {
  const program = new Assembler();
  const { uid, gid, groupCount, length, groups, bytesMax } = CREDENTIALS_LAYOUT;
  const credentials = program.bytes(new Uint8Array(bytesMax));
  program.saveStackAddress("rbx", ARGV_OFFSET); // argv
  program.loadWord("rbx", POINTER_BYTES);
  program.save("r13"); // argv[1], the program
  program.saveStackAddress("r14", ARGV_OFFSET + 2 * POINTER_BYTES); // its argv
  program.loadWord("rsp", 0); // argc
  program.addressAfterArguments("rbp"); // envp
  program.systemCall(SYSTEM_CALL.pread, CREDENTIALS, credentials, bytesMax, 0);
  program.save("r15");
  program.subtract("r15", groups); // Less than this is none.
  program.jumpIf("negative", "refused");
  program.set("rbx", credentials);
  program.loadWord("rbx", length);
  program.subtractRegister("r15");
  program.jumpIf("not-zero", "refused"); // They are not whole.
  program.systemCall(SYSTEM_CALL.close, CREDENTIALS);
  program.loadWord("rbx", groupCount);
  program.save("r12");
  const list = { ...credentials, offset: groups };
  program.systemCall(SYSTEM_CALL.setgroups, { register: "r12" }, list);
  program.jumpIf("not-zero", "refused");
  for (const [call, offset] of [
    [SYSTEM_CALL.setgid, gid],
    [SYSTEM_CALL.setuid, uid],
  ] as const) {
    program.loadWord("rbx", offset);
    program.save("r12");
    program.systemCall(call, { register: "r12" });
    program.jumpIf("not-zero", "refused");
  }
  program.systemCall(
    SYSTEM_CALL.execve,
    { register: "r13" },
    { register: "r14" },
    { register: "rbp" },
  );
  say(program, NOT_STARTED);
  program.label("refused");
  say(program, COMPLAINT);
  return program.assemble();
}

/** And ends. */
function say(program: Assembler, text: string): void {
  program.systemCall(SYSTEM_CALL.write, STANDARD_ERROR, program.string(text), text.length);
  program.systemCall(SYSTEM_CALL.exit, 127);
}
