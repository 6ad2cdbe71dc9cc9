/** /v1/program: the instance's own program, through its supervisor. */
import { signalNumber } from "../api/signal.ts";
import { AgentError } from "./agent-error.ts";
import type { Agent, Operations } from "./operation.ts";

export function programOperations({ program }: Agent): Operations<"program"> {
  return {
    programStatus: () => program.status(),
    programRestart: async (_args, call) => {
      await program.restart({ signal: call.signal });
      return program.status();
    },
    programStop: async ({ body }) => {
      await program.stop({ timeoutMs: body.timeoutMs });
      return program.status();
    },
    programSignal: ({ body }) => {
      if (!program.signal(knownSignal(body.signal))) {
        const { state } = program.status();
        throw new AgentError("WL_AGENT_CONFLICT", `The program does not run: it is ${state}`);
      }
      return program.status();
    },
    programStdin: async ({ query }, call) => {
      const { body } = call.request;
      const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
      try {
        await program.writeStdin(bytes, { end: query.end ?? false, signal: call.signal });
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new AgentError("WL_AGENT_CONFLICT", `Cannot write to the program: ${why}`, error);
      }
    },
  };
}

/** @throws {AgentError} 400 when Linux has no such signal */
export function knownSignal(name: string): string {
  if (signalNumber(name) !== undefined) return name;
  throw new AgentError("WL_AGENT_BAD_REQUEST", `There is no signal "${name}"`);
}
