/** /app: programs beside the instance's own; what they print goes to the same log. */
import type { ChildProcess } from "node:child_process";
import { StringDecoder } from "node:string_decoder";
import type { OutputRecord } from "../api/journal.ts";
import { AgentError } from "./agent-error.ts";
import { endGroup, startCommand } from "./command.ts";
import { parseCommands } from "./command-line.ts";
import type { Agent, Operations } from "./operation.ts";

/** Programs started here that may run at once. */
const RUNNING_MAX = 64;

export function appOperations(agent: Agent): Operations<"app"> {
  const running = new Map<string, ChildProcess>();
  agent.closing.addEventListener("abort", () => {
    for (const child of running.values()) endGroup(child, "SIGTERM");
  });

  const start = async (argv: readonly string[]): Promise<string> => {
    if (running.size >= RUNNING_MAX) {
      throw new AgentError("WL_AGENT_BUSY", `${RUNNING_MAX} programs run already: wait for one`);
    }
    const child = await startCommand(agent, { argv }, { stdio: ["ignore", "pipe", "pipe"] });
    const id = String(child.pid);
    running.set(id, child);
    child.once("exit", () => running.delete(id));
    keepOutput(agent, child, "stdout");
    keepOutput(agent, child, "stderr");
    return id;
  };

  return {
    appRun: async ({ query }) => {
      const ids: string[] = [];
      for (const argv of parseCommands(query.command)) ids.push(await start(argv));
      return ids.join(" ");
    },
    appFinished: ({ query }) => (running.has(query.tid) ? "0" : "1"),
  };
}

function keepOutput(agent: Agent, child: ChildProcess, stream: OutputRecord["stream"]): void {
  const decoder = new StringDecoder("utf8");
  const push = (text: string): void => {
    if (text !== "") agent.logs.push({ kind: "output", timeMs: Date.now(), stream, text });
  };
  child[stream]?.on("data", (chunk: Buffer) => push(decoder.write(chunk)));
  child[stream]?.once("end", () => push(decoder.end()));
}
