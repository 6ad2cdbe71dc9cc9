/** Which template an instance starts from, and if from none, why. */
import { isDeepStrictEqual } from "node:util";
import type { ProgramSpec } from "../../guest/api/program.ts";
import type { BootRequest, InstanceRecord } from "./instance-record.ts";
import { type MachineTraits, traitDifference } from "./machine-traits.ts";
import type { Template } from "./template.ts";
import type { TemplateStore } from "./template-store.ts";

/** What a program is told only in the clone. */
export interface LateBound {
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

export type TemplateChoice =
  | { readonly template: Template; readonly late: LateBound }
  /** `why` is absent when there was nothing to choose from. */
  | { readonly template: undefined; readonly why?: string | undefined };

export async function chooseTemplate(
  record: InstanceRecord,
  traits: MachineTraits,
  { store, request = "auto" }: { store: TemplateStore; request?: BootRequest | undefined },
): Promise<TemplateChoice> {
  if (request === "cold") return { template: undefined };
  const all = await store.list();
  const candidates = all.filter((template) =>
    request === "auto" ? template.imageId === record.imageId : template.id === request.template,
  );
  if (request !== "auto" && candidates.length === 0) {
    return { template: undefined, why: `template ${request.template} is no longer there` };
  }
  let why: string | undefined;
  for (const template of candidates) {
    const reason = templateMismatch(template, record, traits) ?? (await store.damage(template));
    if (reason === undefined) return { template, late: lateBound(template.program, record) };
    why ??= `template "${template.name}" does not fit: ${reason}`;
  }
  return { template: undefined, why };
}

/** Why an instance cannot start from a template; undefined when it can. Pure. */
export function templateMismatch(
  template: Template,
  record: InstanceRecord,
  traits: MachineTraits,
): string | undefined {
  if (template.imageId !== record.imageId) return "it is of another image";
  const { address, program } = record.options;
  return (
    traitDifference(template.traits, traits) ??
    (template.address === address ? undefined : `its address is ${template.address}`) ??
    programDifference(template.program, program)
  );
}

/** What a running program cannot be told any more. */
function programDifference(theirs: ProgramSpec, ours: ProgramSpec): string | undefined {
  const { lateBound: late } = theirs;
  const names = new Set([...Object.keys(theirs.env), ...Object.keys(ours.env)]);
  for (const name of names) {
    if (theirs.env[name] === ours.env[name] || late?.env.includes(name)) continue;
    return `its program was started with another ${name}; template.env of the manifest lists what may differ`;
  }
  const more = ours.argv.slice(theirs.argv.length);
  const isSame = isDeepStrictEqual(ours.argv.slice(0, theirs.argv.length), theirs.argv);
  if (!isSame || (more.length > 0 && !late?.args))
    return "its program was started with other arguments";
  for (const key of ["workdir", "user", "openStdin", "ports", "health", "isNode"] as const) {
    if (!isDeepStrictEqual(theirs[key], ours[key]))
      return `its program was started with another ${key}`;
  }
  return undefined;
}

function lateBound(theirs: ProgramSpec, { options }: InstanceRecord): LateBound {
  const names = theirs.lateBound?.env ?? [];
  const env = names.flatMap((name) => {
    const value = options.program.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { env: Object.fromEntries(env), args: options.program.argv.slice(theirs.argv.length) };
}
