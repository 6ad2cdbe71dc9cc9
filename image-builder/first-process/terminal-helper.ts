/**
 * `/sbin/windlass-tty SLAVE PROGRAM ARGS...`: gives a program a controlling terminal, which no Node
 * API can do: new session, open the terminal, make it the controlling one, use it as standard input,
 * output and error, become the program. PROGRAM is an absolute path; the environment is passed on.
 */
import { Assembler } from "./assembler.ts";
import { IOCTL_SET_CONTROLLING_TERMINAL, OPEN_FLAG, SYSTEM_CALL } from "./linux-call.ts";

/** Where the stack holds argc, argv and (behind argv's null) envp at entry: psABI, figure 3.9. */
const ARGV_OFFSET = 8;
const POINTER_BYTES = 8;

/** Emits the executable. Exit status 127 when the program cannot be started, as a shell has it. */
export function terminalHelperExecutable(): Uint8Array {
  const program = new Assembler();
  program.saveStackAddress("rbx", ARGV_OFFSET); // argv
  program.loadWord("rbx", POINTER_BYTES);
  program.save("r12"); // argv[1], the terminal
  program.loadWord("rbx", 2 * POINTER_BYTES);
  program.save("r13"); // argv[2], the program
  program.saveStackAddress("r14", ARGV_OFFSET + 2 * POINTER_BYTES); // its argv
  program.loadWord("rsp", 0); // argc
  program.addressAfterArguments("rbp"); // envp
  program.systemCall(SYSTEM_CALL.setsid);
  program.systemCall(SYSTEM_CALL.open, { register: "r12" }, OPEN_FLAG.readWrite, 0);
  program.jumpIf("negative", "failed");
  program.save("r15");
  program.systemCall(SYSTEM_CALL.ioctl, { register: "r15" }, IOCTL_SET_CONTROLLING_TERMINAL, 0);
  for (const descriptor of [0, 1, 2]) {
    program.systemCall(SYSTEM_CALL.dup2, { register: "r15" }, descriptor);
  }
  // One more descriptor of the terminal in the program, and in every daemon it leaves behind, would
  // keep the terminal from ever hanging up.
  program.subtract("r15", 3);
  program.jumpIf("negative", "ready");
  program.systemCall(SYSTEM_CALL.close, { register: "r15" });
  program.label("ready");
  program.systemCall(
    SYSTEM_CALL.execve,
    { register: "r13" },
    { register: "r14" },
    { register: "rbp" },
  );
  program.label("failed");
  program.systemCall(SYSTEM_CALL.exit, 127);
  return program.assemble();
}
