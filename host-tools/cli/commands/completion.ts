/** `windlass completion`. */
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";

const SCRIPTS: Readonly<Record<string, () => Promise<string>>> = {
  bash: async () => (await import("../completion-bash.ts")).bashCompletion(),
  zsh: async () => (await import("../completion-zsh.ts")).zshCompletion(),
  fish: async () => (await import("../completion-fish.ts")).fishCompletion(),
};

export const execute: Execute<"completion"> = async ({ operands, output }) => {
  const [shell = ""] = operands;
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (!script) {
    throw new HostError("WL_USAGE", `There is no completion for the shell "${shell}"`, {
      next: `Use one of ${Object.keys(SCRIPTS).join(", ")}`,
    });
  }
  await output.print(await script());
  return 0;
};
