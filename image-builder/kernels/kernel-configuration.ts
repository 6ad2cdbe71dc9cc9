/**
 * A kernel configuration in the words of `.config` (Documentation/kbuild/kconfig.rst): what we ask for,
 * and what came of it. Pure.
 */
import { ImageError } from "../errors.ts";

/** "CONFIG_SMP" to "y", "64" or "\"text\"", as written. An option that is off is "n". */
export type KernelOptions = ReadonlyMap<string, string>;

const OPTION = /^(CONFIG_\w+)=(y|n|-?\d+|0x[0-9a-fA-F]+|".*")$/;
const OFF = /^# (CONFIG_\w+) is not set$/;

/**
 * Reads a configuration: `CONFIG_NAME=value`, `# CONFIG_NAME is not set`, comments and empty lines.
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE for any other line, for an option as a module, and for
 *   one that is there twice
 */
export function kernelOptions(text: string, file: string): KernelOptions {
  const options = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    const [, name = OFF.exec(line)?.[1], value = "n"] = OPTION.exec(line) ?? [];
    if (name === undefined) {
      if (line.trim() === "" || line.startsWith("#")) continue;
      throw invalid(file, index + 1, `"${line}" is no kernel option`);
    }
    if (options.has(name)) throw invalid(file, index + 1, `${name} is there twice`);
    options.set(name, value);
  }
  return options;
}

export interface OverriddenOption {
  readonly name: string;
  readonly wanted: string;
  readonly actual: string;
}

/**
 * What the kernel's own rules made of the options: Kconfig drops silently what a dependency forbids, and
 * switches on what another option selects.
 */
export function overriddenOptions(
  wanted: KernelOptions,
  actual: KernelOptions,
): OverriddenOption[] {
  const all = [...wanted].map(([name, value]) => {
    return { name, wanted: value, actual: actual.get(name) ?? "n" };
  });
  return all.filter((option) => option.wanted !== option.actual);
}

/** The options in the order of their names: equal for configurations that say the same. */
export function canonicalOptions(options: KernelOptions): string {
  const lines = [...options].map(([name, value]) => `${name}=${value}\n`);
  return lines.sort().join("");
}

function invalid(file: string, line: number, why: string): ImageError {
  return new ImageError(
    "WL_IMAGE_KERNEL_UNAVAILABLE",
    `Cannot use kernel configuration "${file}": line ${line}: ${why}`,
    { file, line, next: "Write CONFIG_NAME=y, =n, a number or a text in quotation marks" },
  );
}
