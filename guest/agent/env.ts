/** /env: the environment of programs started from now on; a running program keeps its own. */
import { AgentError } from "./agent-error.ts";
import type { Agent, Operations } from "./operation.ts";

export function envOperations({ environment }: Agent): Operations<"env"> {
  return {
    envList: () => Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    envGet: ({ path }) => {
      const value = Object.hasOwn(environment, path.var) ? environment[path.var] : undefined;
      if (value === undefined) {
        throw new AgentError("WL_AGENT_BAD_REQUEST", `No environment variable ${path.var}`);
      }
      return value;
    },
    envSet: ({ path, query }) => {
      // defineProperty, because assigning to a name like __proto__ would not make a variable.
      Object.defineProperty(environment, path.var, {
        value: query.val ?? "",
        configurable: true,
        enumerable: true,
        writable: true,
      });
      return "";
    },
    envUnset: ({ path }) => {
      delete environment[path.var];
      return "";
    },
  };
}
