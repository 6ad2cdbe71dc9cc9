/**
 * What we change in the kernel's source before it is compiled: text put behind a line that is there exactly
 * once. A source that has no such line any more is an error, never a kernel without the change.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";

export interface SourceChange {
  /** Below the source tree. */
  readonly file: string;
  /** A whole line. */
  readonly after: string;
  readonly insert: string;
}

/**
 * An emulated local APIC counts at a known frequency, and the kernel can be told nothing of it: it counts
 * ticks for 0.1 s and checks them for another 0.1 s. The kernel command line of an emulated machine states
 * `lapic_timer_hz`; a kernel without this change ignores it.
 */
export const SOURCE_CHANGES: readonly SourceChange[] = [
  {
    file: "arch/x86/kernel/apic/apic.c",
    after: "unsigned int lapic_timer_period = 0;",
    insert: `
/* Windlass: the timer's frequency in Hz, stated by whoever made the machine. */
static int __init parse_lapic_timer_hz(char *arg)
{
	unsigned int hz;

	if (!arg || kstrtouint(arg, 0, &hz))
		return -EINVAL;
	lapic_timer_period = hz / HZ;
	return 0;
}
early_param("lapic_timer_hz", parse_lapic_timer_hz);
`,
  },
];

/**
 * The changed text of a file. Pure.
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when the line is missing or there more than once
 */
export function changedSource(text: string, { file, after, insert }: SourceChange): string {
  const [before = "", ...rest] = `\n${text}`.split(`\n${after}\n`);
  if (rest.length !== 1) {
    const found = rest.length === 0 ? "has no" : "has more than one";
    throw new ImageError(
      "WL_IMAGE_KERNEL_UNAVAILABLE",
      `Cannot change the kernel's source: "${file}" ${found} line "${after}"`,
      { file, next: "Use a Windlass that knows this version of the kernel" },
    );
  }
  return `${before}\n${after}\n${insert}${rest[0]}`.slice(1);
}

/** @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE, WL_IMAGE_IO */
export async function changeSource(
  tree: string,
  changes: readonly SourceChange[] = SOURCE_CHANGES,
): Promise<void> {
  for (const change of changes) {
    const path = join(tree, change.file);
    const text = await withIoError("read", path, readFile(path, "utf8"));
    await withIoError("write", path, writeFile(path, changedSource(text, change)));
  }
}
